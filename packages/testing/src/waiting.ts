import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Watched } from '@sd/core'

/** Repeats `check` until it no longer throws, for at most `limitMs`; then throws its last error. */
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
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `${what} did not settle within ${limitMs} ms` })),
      limitMs,
    )
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** Reads a watch in the background and records its steps. */
export interface WatchProbe<T> {
  /** The latest steps, at most `keep`. */
  readonly seen: readonly Watched<T>[]
  /** Waits until `check` accepts the last value, that is, does not throw. */
  until(check: (value: T) => void): Promise<T>
  /** Waits until the watch is stale, or no longer stale. */
  untilStale(stale: boolean): Promise<void>
  /** Settles when the watch ends. */
  readonly ended: Promise<void>
  /** Ends the watch. */
  stop(): Promise<void>
}

/** Starts to read a watch. @param keep number of steps to keep; all by default */
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
