export { createRateLimitFilter, type RateLimitParts } from './rate-limit-filter.ts'
export type { RateLimitKeyPart } from './rate-limit-key.ts'
export type { RateLimitOptions, RateLimitSpec } from './rate-limit-options.ts'
