import { checkDuration, checkInteger, checkOneOf, invalidError, MAX_DURATION_MS } from '@sd/core'

/**
 * How units come back. `gcra` is a token bucket: `burst` at once, and units come back evenly. `sliding-window` has at most `limit`
 * in any window, and they come back as they were taken.
 */
export type RateLimitAlgorithm = 'gcra' | 'sliding-window'

/** What is allowed. */
export interface RateLimitOptions {
  /** How units come back. @default 'gcra' */
  readonly algorithm?: RateLimitAlgorithm
  /** Units per window, from 1 to 1,000,000,000. */
  readonly limit: number
  /** Length of the window in milliseconds. */
  readonly windowMs: number
  /** For `gcra`: units that may be taken at once after a pause, from 1 to 1,000,000,000. @default `limit` */
  readonly burst?: number
}

/** {@link RateLimitOptions} that were checked, without gaps. */
export type RateLimitRule = Required<RateLimitOptions>

/** What every limiter takes. */
export interface RateLimiterOptions extends RateLimitOptions {
  /** Most calls that wait, of all keys together; 0 for none. @default 1_000 */
  readonly maxWaiting?: number
  /** Longest time that a call waits, in milliseconds. @default 30_000 */
  readonly maxWaitMs?: number
  /** Name for logs and metrics. */
  readonly name?: string
}

/** Names of the options in {@link RateLimiterOptions}. */
export const rateLimiterKeys: readonly string[] = ['algorithm', 'limit', 'windowMs', 'burst', 'maxWaiting', 'maxWaitMs', 'name']

const units = { min: 1, max: 1_000_000_000 }

/** Checks what is allowed and fills the gaps. @throws SdError `SD_INVALID` that names the option */
export function checkRateLimit(options: RateLimitOptions): RateLimitRule {
  const algorithm = checkOneOf('algorithm', options.algorithm ?? 'gcra', ['gcra', 'sliding-window'])
  const limit = checkInteger('limit', options.limit, units)
  const windowMs = checkDuration('windowMs', options.windowMs, 1)
  if (algorithm === 'sliding-window' && options.burst !== undefined) {
    throw invalidError('burst', options.burst, 'no burst with a sliding window')
  }
  const burst = checkInteger('burst', options.burst ?? limit, units)
  if ((burst * windowMs) / limit > MAX_DURATION_MS) {
    throw invalidError('burst', burst, `a burst that comes back within ${MAX_DURATION_MS} ms`)
  }
  return { algorithm, limit, windowMs, burst }
}
