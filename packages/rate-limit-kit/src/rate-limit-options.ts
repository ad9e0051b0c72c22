import { checkDuration, checkInteger, checkOneOf, invalidError, MAX_DURATION_MS } from '@sd/core'

/**
 * How units become available again. `gcra` is a token bucket: it permits `burst` units at once, and they return evenly.
 * `sliding-window` permits at most `limit` units in any window; each returns one window after it was taken.
 */
export type RateLimitAlgorithm = 'gcra' | 'sliding-window'

/** The permitted rate. */
export interface RateLimitOptions {
  /** How units become available again. @default 'gcra' */
  readonly algorithm?: RateLimitAlgorithm
  /** Units per window, from 1 to 1,000,000,000. */
  readonly limit: number
  /** Length of the window in milliseconds. */
  readonly windowMs: number
  /** For `gcra`: units that may be taken at once after a pause, from 1 to 1,000,000,000. @default `limit` */
  readonly burst?: number
}

/** Validated {@link RateLimitOptions} with defaults. */
export type RateLimitRule = Required<RateLimitOptions>

/** Options of every limiter. */
export interface RateLimiterOptions extends RateLimitOptions {
  /** Maximum number of waiting calls over all keys; 0 for no waiting. @default 1_000 */
  readonly maxWaiting?: number
  /** Maximum time that a call waits, in milliseconds. @default 30_000 */
  readonly maxWaitMs?: number
  /** Name for logs and metrics. @default the limiter's own */
  readonly name?: string
}

/** Names of the options in {@link RateLimiterOptions}. */
export const rateLimiterKeys: readonly string[] = ['algorithm', 'limit', 'windowMs', 'burst', 'maxWaiting', 'maxWaitMs', 'name']

const units = { min: 1, max: 1_000_000_000 }

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function checkRateLimit(options: RateLimitOptions): RateLimitRule {
  const algorithm = checkOneOf('algorithm', options.algorithm ?? 'gcra', ['gcra', 'sliding-window'])
  const limit = checkInteger('limit', options.limit, units)
  const windowMs = checkDuration('windowMs', options.windowMs, 1)
  if (algorithm === 'sliding-window' && options.burst !== undefined) {
    throw invalidError('burst', options.burst, 'no burst with a sliding window')
  }
  const burst = checkInteger('burst', options.burst ?? limit, units)
  if ((burst * windowMs) / limit > MAX_DURATION_MS) {
    throw invalidError('burst', burst, `a burst that is available again within ${MAX_DURATION_MS} ms`)
  }
  return { algorithm, limit, windowMs, burst }
}
