import { createLatestWins, guardListener, type LatestWins, type SdError } from '@sd/core'
import type { LiveConfigVersion } from './committed-config.ts'
import { valueAt } from './config-tree.ts'
import { changedPaths } from './tree.ts'

/** A change of the value at a path. */
export interface ConfigValueChange<Value> {
  /** The value before. */
  readonly previous: Value
  /** The value now. */
  readonly value: Value
  /** The version that has this value. */
  readonly version: number
}

/** A step from one version to a later one. */
export interface ConfigChange<Value> extends ConfigValueChange<Value> {
  /** Paths of the values that differ, at most 1,000. */
  readonly changed: readonly string[]
}

/** Listeners and iterations over new versions. */
export interface Subscriptions {
  /** Adds a listener on a path. @returns a function that removes it */
  listen(keys: readonly string[], listener: (change: ConfigValueChange<unknown>) => void): () => void
  /** Iterates over versions after `current`; the latest wins. */
  iterate(current: LiveConfigVersion, signal: AbortSignal | undefined): AsyncIterableIterator<ConfigChange<unknown>>
  /** Notifies listeners and iterations. */
  publish(next: LiveConfigVersion, previous: LiveConfigVersion): void
  /** Removes all listeners and ends all iterations. */
  close(): void
}

interface Listener {
  readonly keys: readonly string[]
  readonly notify: (change: ConfigValueChange<unknown>) => void
}

/** Creates an empty set. @param onError receives the errors of listeners; without it they become process warnings */
export function createSubscriptions(onError: ((error: SdError) => void) | undefined): Subscriptions {
  const listeners = new Set<Listener>()
  const streams = new Set<LatestWins<LiveConfigVersion>>()

  return {
    listen(keys, listener) {
      const entry = { keys, notify: guardListener(`listener on ${keys.join('.') || 'the configuration'}`, listener, onError) }
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },
    iterate(current, signal) {
      const end = (): void => stream.end()
      const stream = createLatestWins<LiveConfigVersion>({
        onEnd: () => {
          streams.delete(stream)
          signal?.removeEventListener('abort', end)
        },
      })
      streams.add(stream)
      signal?.addEventListener('abort', end, { once: true })
      if (signal?.aborted) stream.end()
      return toChanges(stream, current)
    },
    publish(next, previous) {
      for (const stream of streams) stream.offer(next)
      for (const { keys, notify } of [...listeners]) {
        const change = { previous: valueAt(previous.value, keys), value: valueAt(next.value, keys), version: next.version }
        // Unchanged values keep their identity.
        if (Object.is(change.previous, change.value)) continue
        notify(change)
      }
    },
    close() {
      listeners.clear()
      for (const stream of [...streams]) stream.end()
    },
  }
}

/** Not an async generator: its `return()` would hang while a `next()` is pending. */
function toChanges(
  versions: LatestWins<LiveConfigVersion>,
  start: LiveConfigVersion,
): AsyncIterableIterator<ConfigChange<unknown>> {
  let last = start
  return {
    async next() {
      const step = await versions.next()
      if (step.done) return step
      const [previous, { value, version }] = [last.value, step.value]
      last = step.value
      return { done: false, value: { previous, value, version, changed: changedPaths(previous, value) } }
    },
    async return() {
      await versions.return()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
