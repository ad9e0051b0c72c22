import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Watched } from '@sd/core'

/** Repeats `check` until it no longer throws, for at most `limitMs`; then throws what it threw last. */
export async function eventually<T>(check: () => T | Promise<T>, limitMs: number): Promise<T> {
  const endAt = performance.now() + limitMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() >= endAt) throw error
    }
    await delay(10)
  }
}

/** Rejects if `promise` does not settle within `limitMs`. */
export async function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} did not settle in ${limitMs} ms` })), limitMs)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** Reads a watch in the background and remembers what came. */
export interface WatchProbe<T> {
  /** What was yielded so far: the last `keep` steps. */
  readonly seen: readonly Watched<T>[]
  /** Waits until the last value fulfils `check` (it throws while it does not). */
  until(check: (value: T) => void): Promise<T>
  /** Waits until the watch is, or is not, stale. */
  untilStale(stale: boolean): Promise<void>
  /** Settles as the watch ended. */
  readonly ended: Promise<void>
  /** Ends the watch. */
  stop(): Promise<void>
}

/** Starts to read a watch. @param keep how many steps are remembered; all of them by default */
export function probeWatch<T>(
  watch: (options: { readonly signal: AbortSignal }) => AsyncIterable<Watched<T>>,
  limitMs: number,
  keep: number = Number.POSITIVE_INFINITY,
): WatchProbe<T> {
  const controller = new AbortController()
  const seen: Watched<T>[] = []
  async function read(): Promise<void> {
    for await (const step of watch({ signal: controller.signal })) {
      seen.push(step)
      if (seen.length > keep) seen.shift()
    }
  }
  const ended = read()
  ended.catch(() => undefined)
  return {
    seen,
    ended,
    until: (check) =>
      eventually(() => {
        const value = seen.at(-1)?.value
        assert(value !== undefined, 'the watch has yielded no value yet')
        check(value)
        return value
      }, limitMs),
    untilStale: (stale) =>
      eventually(
        () => assert.equal(seen.at(-1)?.stale !== undefined, stale, `the watch should ${stale ? '' : 'not '}be stale`),
        limitMs,
      ),
    async stop() {
      controller.abort()
      await within(ended, limitMs, 'an aborted watch')
      assert.deepEqual(
        getEventListeners(controller.signal, 'abort'),
        [],
        "a watch that ended leaves no listener on its caller's signal",
      )
    },
  }
}
