export { assembleRateLimiter, type RateLimiterAdapter } from './assemble-rate-limiter.ts'
export { createLocalRateLimit, type LocalRateLimit } from './local-rate-limit.ts'
export { describeBucket, describeWindow, takeFromBucket, takeFromWindow, WINDOW_SEGMENTS } from './rate-limit-algorithms.ts'
export {
  checkRateLimit,
  type RateLimitAlgorithm,
  type RateLimiterOptions,
  type RateLimitOptions,
  type RateLimitRule,
  rateLimiterKeys,
} from './rate-limit-options.ts'
