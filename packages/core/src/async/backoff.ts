import { checkDuration, checkNumber } from '../validate.ts'

/** How the delay between attempts grows. */
export interface BackoffOptions {
  /** Largest first delay, in milliseconds. @default 200 */
  readonly baseMs?: number
  /** Largest delay, in milliseconds. @default 15_000 */
  readonly maxMs?: number
  /** Growth per attempt. @default 2 */
  readonly factor?: number
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** Delays of successive attempts. */
export interface Backoff {
  /** The next delay in milliseconds. */
  next(): number
  /** Starts over after a success. */
  reset(): void
}

/**
 * Exponential backoff with jitter: the n-th delay is drawn evenly from the upper half of `min(maxMs, baseMs × factor^n)`
 * ("equal jitter"), so that clients which lost one server at the same moment don't return together, and none returns at once.
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

/** A time, more or less by at most a tenth, at random: so that what began together does not stay in step. */
export function spread(durationMs: number): number {
  return durationMs * (0.9 + Math.random() * 0.2)
}
