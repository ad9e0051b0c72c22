export type { RedisRateLimiterOptions } from './options.ts'
export { createRedisRateLimiter, type RedisRateLimiter } from './redis-rate-limiter.ts'
