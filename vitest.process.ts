import { relative } from 'node:path'
import { vi } from 'vitest'

// Runs once in each process of tests, before their files: vitest.setup.ts imports it.
// After a test, none of its signals may have a listener of a package.

/** An added listener, and the place of the call. */
interface Added {
  readonly listener: unknown
  readonly place: string
}

/** Signals that tests created, with the listeners that packages have added to them. */
const signals = new Map<AbortSignal, Added[]>()

/** The file and line of the caller of `called`. */
function callerOf(called: object): { readonly file: string; readonly line: number } {
  const { prepareStackTrace, stackTraceLimit } = Error
  const holder: { stack?: unknown } = {}
  Error.stackTraceLimit = 1
  Error.prepareStackTrace = (_, sites) => sites[0]
  Error.captureStackTrace(holder, called as never)
  const site = holder.stack as NodeJS.CallSite | undefined
  Error.prepareStackTrace = prepareStackTrace
  Error.stackTraceLimit = stackTraceLimit
  return { file: (site?.getFileName() ?? '').replace(/^file:\/\//, ''), line: site?.getLineNumber() ?? 0 }
}

const isTest = (file: string): boolean => /\.test\.ts$|\/testing\//.test(file)
const isOurs = (file: string): boolean => /\/packages\/[^/]+\/src\//.test(file) && !isTest(file)

const { AbortController: OriginalController } = globalThis
globalThis.AbortController = class AbortController extends OriginalController {
  constructor() {
    super()
    if (isTest(callerOf(new.target).file)) signals.set(this.signal, [])
  }
}

const { addEventListener, removeEventListener } = EventTarget.prototype
Object.defineProperties(AbortSignal.prototype, {
  addEventListener: {
    configurable: true,
    writable: true,
    value: function add(this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
      const added = signals.get(this)
      if (added) {
        const { file, line } = callerOf(add)
        if (isOurs(file)) added.push({ listener: args[1], place: `${relative(import.meta.dirname, file)}:${line}` })
      }
      return addEventListener.apply(this, args)
    },
  },
  removeEventListener: {
    configurable: true,
    writable: true,
    value: function remove(this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
      const added = signals.get(this)
      const index = added?.findIndex(({ listener }) => listener === args[1]) ?? -1
      if (index >= 0) added?.splice(index, 1)
      removeEventListener.apply(this, args)
    },
  },
})

/** Time that a package has after a test to remove its listeners, in milliseconds. */
const endsWithinMs = 2_000
/** The real timers: a test may replace them. */
const { setTimeout, clearTimeout, setInterval } = globalThis

function leftListeners(): readonly string[] {
  return [...signals].flatMap(([signal, added]) => (signal.aborted ? [] : added.map(({ place }) => place)))
}

/** Fails if a package has left a listener on a signal of the test that has ended. */
export async function checkListeners(): Promise<void> {
  let isOver = false
  const timer = setTimeout(() => {
    isOver = true
  }, endsWithinMs)
  while (leftListeners().length > 0 && !isOver) await new Promise((resolve) => setTimeout(resolve, 20))
  clearTimeout(timer)
  const left = leftListeners()
  signals.clear()
  if (left.length > 0) throw new Error(`Listeners were left on signals of the test: ${[...new Set(left)].join(', ')}`)
}

// A busy machine pauses processes now and then. SD_TEST_STALLS=250 does the same, for up to 250 ms at a time: a test that fails then depends
// on real time.
const longestStallMs = Number(process.env['SD_TEST_STALLS'] ?? 0)
if (longestStallMs > 0) {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  setInterval(() => Atomics.wait(cell, 0, 0, longestStallMs * Math.random()), 200).unref()
}

// A wait for a condition ends with it. The default limit of one second is about the machine, not about the code; vitest.package.ts has the
// same for `expect.poll`.
const { waitFor } = vi
const limitMs = 20_000
vi.waitFor = (callback, options) => waitFor(callback, typeof options === 'number' ? options : { timeout: limitMs, ...options })
