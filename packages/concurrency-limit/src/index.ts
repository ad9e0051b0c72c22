export {
  type AdaptiveLimit,
  type AdaptiveLimitOptions,
  type AdaptiveLimitStatistics,
  createAdaptiveLimit,
} from './adaptive-limit.ts'
export {
  type AcquireOptions,
  type Bulkhead,
  type BulkheadOptions,
  type BulkheadSize,
  type BulkheadStatistics,
  createBulkhead,
} from './bulkhead.ts'
