export { createMemoryRateLimiter, type MemoryRateLimiterOptions } from './memory-rate-limiter.ts'
