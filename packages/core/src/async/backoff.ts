import { checkDuration, checkNumber } from '../validate.ts'

/** Options of {@link createBackoff}. */
export interface BackoffOptions {
  /** Upper limit of the first delay, in milliseconds. @default 200 */
  readonly baseMs?: number
  /** Upper limit of every delay, in milliseconds. @default 15_000 */
  readonly maxMs?: number
  /** Growth per attempt. @default 2 */
  readonly factor?: number
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** A sequence of growing delays between attempts. */
export interface Backoff {
  /** Returns the next delay in milliseconds. */
  next(): number
  /** Restarts the sequence. Call it after a success. */
  reset(): void
}

/**
 * Exponential backoff with equal jitter: the n-th delay is a random value in the upper half of `min(maxMs, baseMs ×
 * factor^n)`. Clients that lost a server at the same moment therefore reconnect at different times, and none reconnects
 * immediately.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function createBackoff(options: BackoffOptions = {}): Backoff {
  const baseMs = checkDuration('backoff.baseMs', options.baseMs ?? 200, 1)
  const maxMs = checkDuration('backoff.maxMs', options.maxMs ?? 15_000, 1)
  const factor = checkNumber('backoff.factor', options.factor ?? 2, { min: 1, max: 100 })
  const random = options.random ?? Math.random
  let ceiling = Math.min(baseMs, maxMs)
  return {
    next() {
      const delay = ceiling * (0.5 + random() / 2)
      ceiling = Math.min(maxMs, ceiling * factor)
      return Math.round(delay)
    },
    reset() {
      ceiling = Math.min(baseMs, maxMs)
    },
  }
}

/** Returns `durationMs` changed at random by up to a tenth, so that timers that started together do not stay in step. */
export function spread(durationMs: number): number {
  return durationMs * (0.9 + Math.random() * 0.2)
}
