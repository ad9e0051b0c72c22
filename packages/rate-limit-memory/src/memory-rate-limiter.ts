import { checkInteger, checkKnownKeys, type RateLimiter } from '@sd/core'
import {
  assembleRateLimiter,
  checkRateLimit,
  createLocalRateLimit,
  type RateLimiterOptions,
  rateLimiterKeys,
} from '@sd/rate-limit-kit'

/** Options of {@link createMemoryRateLimiter}. */
export interface MemoryRateLimiterOptions extends RateLimiterOptions {
  /** Most keys that are remembered. The one that was asked for least recently is forgotten first. @default 100_000 */
  readonly maxKeys?: number
}

/** A rate limiter of this process alone. @throws SdError `SD_INVALID` that names the option */
export function createMemoryRateLimiter(options: MemoryRateLimiterOptions): RateLimiter {
  checkKnownKeys('', options, [...rateLimiterKeys, 'maxKeys'])
  const rule = checkRateLimit(options)
  const maxKeys = checkInteger('maxKeys', options.maxKeys ?? 100_000, { min: 1, max: 10_000_000 })
  const { name = 'memory', maxWaiting, maxWaitMs } = options
  const { take } = createLocalRateLimit(rule, maxKeys)
  return assembleRateLimiter({ name, burst: rule.burst, maxWaiting, maxWaitMs, take, takeNow: take })
}
