import type { Alert } from './alert.ts'

/** An alert that waits for its channel, until it is sent or a newer state of the same alert replaces it. */
export interface WaitingAlert {
  /** The alert. */
  readonly alert: Alert
  /** Whether it is sent alone, because something in a batch with it was refused. */
  isAlone: boolean
  /** How often it was refused. */
  refusals: number
  /** Not before this time of `performance.now()`. */
  notBefore: number
}

/** The alerts that wait for one channel, at most {@link maxWaiting}. */
export interface WaitingAlerts {
  /** How many wait. */
  readonly size: number
  /** Adds an alert; it replaces an earlier state of the same alert. @returns `false` if another one had to be dropped for it */
  put(alert: Alert): boolean
  /** What can be sent now, together. */
  dueBatch(): readonly WaitingAlert[]
  /** When the first of them is due, by `performance.now()`. */
  nextDueAt(): number
  /** Removes what was sent, except alerts with a newer state. */
  remove(batch: readonly WaitingAlert[]): void
  /**
   * Postpones what the channel refused, for at least `retryAfterMs`. Any alert of a batch may be the reason, so each of them is then sent
   * alone.
   *
   * @returns `first` if a single alert was refused for the first time
   */
  postpone(batch: readonly WaitingAlert[], retryAfterMs: number | undefined): 'first' | 'again' | 'split'
  /** Removes all. */
  clear(): void
}

/** Most alerts that wait for one channel. */
export const maxWaiting = 1_000
const maxBatch = 100
/** Delay after the first refusal, in milliseconds; it doubles up to an hour. Someone may correct the configuration of the channel. */
const refusedMs = 300_000
const longestRefusedMs = 3_600_000

/** Creates an empty queue. */
export function createWaitingAlerts(): WaitingAlerts {
  const waiting = new Map<string, WaitingAlert>()

  return {
    get size() {
      return waiting.size
    },
    put(alert) {
      waiting.delete(alert.id)
      const isFull = waiting.size >= maxWaiting
      if (isFull) {
        // A channel that received "firing" must receive "resolved": that is the last to be dropped.
        const firing = [...waiting.values()].find(({ alert: other }) => other.state !== 'resolved')
        waiting.delete((firing?.alert ?? alert).id)
        const [oldest] = waiting.keys()
        if (!firing && oldest !== undefined) waiting.delete(oldest)
      }
      waiting.set(alert.id, { alert, isAlone: false, refusals: 0, notBefore: 0 })
      return !isFull
    },
    dueBatch() {
      const now = performance.now()
      const due = [...waiting.values()].filter(({ notBefore }) => notBefore <= now)
      return due[0]?.isAlone ? due.slice(0, 1) : due.filter(({ isAlone }) => !isAlone).slice(0, maxBatch)
    },
    nextDueAt: () => Math.min(...[...waiting.values()].map(({ notBefore }) => notBefore)),
    remove(batch) {
      for (const sent of batch) if (waiting.get(sent.alert.id) === sent) waiting.delete(sent.alert.id)
    },
    postpone(batch, retryAfterMs = 0) {
      const [only] = batch
      if (batch.length > 1 || !only) {
        for (const one of batch) one.isAlone = true
        return 'split'
      }
      const delayMs = Math.max(Math.min(longestRefusedMs, refusedMs * 2 ** only.refusals), retryAfterMs)
      only.notBefore = performance.now() + delayMs
      only.refusals++
      return only.refusals === 1 ? 'first' : 'again'
    },
    clear: () => waiting.clear(),
  }
}
