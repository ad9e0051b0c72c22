export {
  type AdaptiveLimit,
  type AdaptiveLimitOptions,
  type AdaptiveLimitStatistics,
  createAdaptiveLimit,
} from './adaptive-limit.ts'
export {
  type Bulkhead,
  type BulkheadOptions,
  type BulkheadSize,
  type BulkheadStatistics,
  createBulkhead,
  type LimitAcquireOptions,
} from './bulkhead.ts'
