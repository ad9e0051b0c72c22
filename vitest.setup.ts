import { relative } from 'node:path'
import { beforeEach } from 'vitest'

// What holds in the tests of every package: no signal of a test keeps a listener of ours once the test is over.

/** A listener that was added, and where. */
interface Added {
  readonly listener: unknown
  readonly place: string
}

/** Signals that the test made, with the listeners that packages have on them. */
const signals = new Map<AbortSignal, Added[]>()

/** The file, line and column of who called the function that calls this. */
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

/** How long what ends a moment after a test may take, in milliseconds. */
const endsWithinMs = 2_000
/** Before any test makes them fake. */
const { setTimeout, clearTimeout, setInterval } = globalThis

function leftListeners(): readonly string[] {
  return [...signals].flatMap(([signal, added]) => (signal.aborted ? [] : added.map(({ place }) => place)))
}

async function checkListeners(): Promise<void> {
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

// What was registered first comes last: after all that the test's file does at its end. Of tests that run at once nobody knows whose a signal is.
beforeEach(({ onTestFinished, task }) => {
  if (!task.concurrent) onTestFinished(checkListeners)
})

// A machine that is busy holds a process still now and then. SD_TEST_STALLS=250 does, for up to that many milliseconds at a time: what fails
// with it hangs on real time.
const longestStallMs = Number(process.env['SD_TEST_STALLS'] ?? 0)
if (longestStallMs > 0) {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  setInterval(() => Atomics.wait(cell, 0, 0, longestStallMs * Math.random()), 200).unref()
}
