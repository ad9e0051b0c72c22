export { type CacheFilter, createCacheFilter } from './cache-filter.ts'
export type { CacheFilterParts, CacheRouteOptions } from './cache-options.ts'
