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
  /** Maximum number of keys kept in memory. The least recently used one is dropped first. @default 100_000 */
  readonly maxKeys?: number
}

/** Creates a rate limiter for this process only. @throws SdError `SD_INVALID` that names the option */
export function createMemoryRateLimiter(options: MemoryRateLimiterOptions): RateLimiter {
  checkKnownKeys('', options, [...rateLimiterKeys, 'maxKeys'])
  const rule = checkRateLimit(options)
  const maxKeys = checkInteger('maxKeys', options.maxKeys ?? 100_000, { min: 1, max: 10_000_000 })
  const { name = 'memory', maxWaiting, maxWaitMs } = options
  const { take } = createLocalRateLimit(rule, maxKeys)
  return assembleRateLimiter({ name, burst: rule.burst, maxWaiting, maxWaitMs, take, takeNow: take })
}
