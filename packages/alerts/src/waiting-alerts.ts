import type { Alert } from './alert.ts'

/** An alert that waits for its channel, until it is sent or a newer state of the same alert replaces it. */
export interface WaitingAlert {
  /** The alert. */
  readonly alert: Alert
  /** Whether it is sent alone, because a batch with it was rejected. */
  isAlone: boolean
  /** Number of rejections. */
  refusals: number
  /** Earliest time of the next attempt, by `performance.now()`. */
  notBefore: number
}

/** The alerts that wait for one channel, at most {@link maxWaiting}. */
export interface WaitingAlerts {
  /** Number of waiting alerts. */
  readonly size: number
  /** Adds an alert; it replaces an earlier state of the same alert. @returns `false` if another one had to be dropped for it */
  put(alert: Alert): boolean
  /** Alerts that can be sent together now. */
  dueBatch(): readonly WaitingAlert[]
  /** When the first alert is due, by `performance.now()`. */
  nextDueAt(): number
  /** Removes sent alerts, except those with a newer state. */
  remove(batch: readonly WaitingAlert[]): void
  /**
   * Postpones rejected alerts for at least `retryAfterMs`. Any alert of a batch can be the reason, so each of them is then sent
   * alone.
   *
   * @returns `first` if a single alert was rejected for the first time
   */
  postpone(batch: readonly WaitingAlert[], retryAfterMs: number | undefined): 'first' | 'again' | 'split'
  /** Removes all. */
  clear(): void
}

/** Maximum number of alerts that wait for one channel. */
export const maxWaiting = 1_000
const maxBatch = 100
/** Delay after the first rejection, in milliseconds; doubles up to one hour. The configuration of the channel can be corrected. */
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
        // A channel that received "firing" must receive "resolved", so resolved alerts are dropped last.
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
