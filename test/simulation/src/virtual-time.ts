import { createSeededRandom } from '@sd/testing'

/** A clock that advances as fast as the work between its timers allows, and the globals that follow it. */
export interface VirtualTime {
  /** Milliseconds since the start. */
  readonly now: number
  /** Number of timers of the code under test that have neither fired nor been cleared. */
  readonly pendingTimers: number
  /** Schedules a function that is not a timer of the code under test. */
  schedule(delayMs: number, run: () => void): void
  /**
   * Lets the process stand still for this time: nothing runs. Afterwards, as in Node, due timers fire first, then network
   * data ({@link VirtualTime.schedule}) is read, then `setImmediate` runs.
   */
  standStill(durationMs: number): void
  /** Advances time. Due promises settle between any two timers. */
  advance(durationMs: number): Promise<void>
  /** Advances time until a promise settles. @throws Error if it has not settled within `limitMs` */
  settle<T>(promise: Promise<T>, limitMs: number): Promise<T>
}

interface Entry {
  at: number
  readonly order: number
  readonly run: () => void
  /** Interval of repetition; 0 for a single run. */
  readonly intervalMs: number
  readonly isOwn: boolean
  isCleared: boolean
}

const realSetImmediate = globalThis.setImmediate

/** What `setTimeout` and `setInterval` return. */
class VirtualTimer {
  readonly #entry: Entry
  readonly #clear: (entry: Entry) => void
  constructor(entry: Entry, clear: (entry: Entry) => void) {
    this.#entry = entry
    this.#clear = clear
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
  close(): this {
    this.#clear(this.#entry)
    return this
  }
}

/** Virtual time and its scheduled entries. */
class VirtualClock {
  now = 0
  /** Timers of the code under test. */
  pending = 0
  readonly immediates: (() => void)[] = []
  readonly #queue = new EntryQueue()
  #order = 0

  add(delayMs: number, run: () => void, { intervalMs = 0, isOwn = false } = {}): Entry {
    const entry = { at: this.now + Math.max(0, delayMs), order: this.#order++, run, intervalMs, isOwn, isCleared: false }
    if (!isOwn) this.pending++
    this.#queue.push(entry)
    return entry
  }
  clear(entry: Entry): void {
    if (entry.isCleared) return
    entry.isCleared = true
    if (!entry.isOwn) this.pending--
  }
  async #fireLate(): Promise<void> {
    const reads: Entry[] = []
    for (let entry = this.#queue.popUntil(this.now); entry; entry = this.#queue.popUntil(this.now)) {
      if (entry.isCleared) continue
      if (entry.isOwn) reads.push(entry)
      else await this.#run(entry)
    }
    for (const entry of reads) await this.#run(entry)
  }
  async #run(entry: Entry): Promise<void> {
    this.#fire(entry)
    await drain()
  }
  async runImmediates(): Promise<void> {
    while (this.immediates.length > 0) {
      for (const immediate of this.immediates.splice(0)) immediate()
      await drain()
    }
  }
  /** Runs one step: the next entry due until `limit`, or all that a standstill delayed. @returns whether there was one */
  async step(limit: number): Promise<boolean> {
    const entry = this.#queue.popUntil(Math.max(limit, this.now))
    if (!entry) return false
    if (entry.at < this.now) {
      this.#queue.push(entry)
      await this.#fireLate()
    } else if (!entry.isCleared) await this.#run(entry)
    await this.runImmediates()
    return true
  }
  #fire(entry: Entry): void {
    this.now = Math.max(this.now, entry.at)
    if (entry.intervalMs > 0) {
      entry.at = this.now + entry.intervalMs
      this.#queue.push(entry)
    } else {
      this.clear(entry)
    }
    entry.run()
  }
}

/**
 * Runs `body` while timers, `Date.now`, `performance.now` and `Math.random` of this process are virtual and seeded. The
 * same seed gives the same run. Real input and output is not possible.
 */
export async function inVirtualTime<T>(seed: number, body: (time: VirtualTime) => Promise<T>): Promise<T> {
  const clock = new VirtualClock()
  const epoch = Date.UTC(2026, 0, 1)
  const timer = (delayMs: unknown, run: () => void, isRepeated: boolean): VirtualTimer => {
    // At least 1 ms, as in Node.
    const ms = Math.max(1, Math.trunc(Number(delayMs)) || 1)
    return new VirtualTimer(clock.add(ms, run, { intervalMs: isRepeated ? ms : 0 }), (entry) => clock.clear(entry))
  }
  const clearTimer = (made: unknown): void => {
    if (made instanceof VirtualTimer) made.close()
  }
  type Run = (...values: unknown[]) => void
  const restore = replaceGlobals([
    [globalThis, 'setTimeout', (run: Run, ms?: number, ...values: unknown[]) => timer(ms, () => run(...values), false)],
    [globalThis, 'setInterval', (run: Run, ms?: number, ...values: unknown[]) => timer(ms, () => run(...values), true)],
    [globalThis, 'clearTimeout', clearTimer],
    [globalThis, 'clearInterval', clearTimer],
    [globalThis, 'setImmediate', (run: Run, ...values: unknown[]) => void clock.immediates.push(() => run(...values))],
    [performance, 'now', () => clock.now],
    [Date, 'now', () => epoch + Math.trunc(clock.now)],
    [Math, 'random', createSeededRandom(seed)],
  ])

  const time: VirtualTime = {
    get now() {
      return clock.now
    },
    get pendingTimers() {
      return clock.pending
    },
    schedule(delayMs, run) {
      clock.add(delayMs, run, { isOwn: true })
    },
    standStill(durationMs) {
      clock.now += durationMs
    },
    async advance(durationMs) {
      const end = clock.now + durationMs
      await drain()
      await clock.runImmediates()
      while (await clock.step(end));
      clock.now = Math.max(clock.now, end)
    },
    async settle(promise, limitMs) {
      let isSettled = false
      const settled = (): void => {
        isSettled = true
      }
      promise.then(settled, settled)
      const end = clock.now + limitMs
      await drain()
      await clock.runImmediates()
      while (!isSettled) {
        if (!(await clock.step(end))) throw new Error(`the promise did not settle within ${limitMs} ms`)
      }
      return promise
    },
  }
  try {
    return await body(time)
  } finally {
    restore()
  }
}

/** Number of steps after which the real event loop runs, for other work of this process. */
const stepsPerTurn = 500
let steps = 0

/** Resolves when all due promises have settled: a tick comes after them, and costs a tenth of a turn of the real event loop. */
function drain(): Promise<void> {
  steps++
  return new Promise((resolve) => {
    if (steps % stepsPerTurn === 0) realSetImmediate(resolve)
    else process.nextTick(resolve)
  })
}

function replaceGlobals(replacements: readonly (readonly [object, string, unknown])[]): () => void {
  const originals = replacements.map(([owner, name]) => [owner, name, Object.getOwnPropertyDescriptor(owner, name)] as const)
  for (const [owner, name, value] of replacements) {
    Object.defineProperty(owner, name, { value, configurable: true, writable: true })
  }
  return () => {
    for (const [owner, name, original] of originals) {
      if (original) Object.defineProperty(owner, name, original)
      else Reflect.deleteProperty(owner, name)
    }
  }
}

/** A binary heap, ordered by time, then by insertion. */
class EntryQueue {
  readonly #entries: Entry[] = []

  push(entry: Entry): void {
    const entries = this.#entries
    let index = entries.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(entry, entries[parent] as Entry)) break
      entries[index] = entries[parent] as Entry
      index = parent
    }
    entries[index] = entry
  }

  /** Removes the first entry that is due at `limit`. */
  popUntil(limit: number): Entry | undefined {
    const entries = this.#entries
    const first = entries[0]
    if (!first || first.at > limit) return undefined
    const last = entries.pop() as Entry
    if (last !== first) this.#sink(last)
    return first
  }

  #sink(entry: Entry): void {
    const entries = this.#entries
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && isBefore(entries[child + 1] as Entry, entries[child] as Entry)) child++
      if (!isBefore(entries[child] as Entry, entry)) break
      entries[index] = entries[child] as Entry
      index = child
    }
    entries[index] = entry
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
