export type { CacheFill, FillInit, Received } from './cache-fill.ts'
export type { CacheResponse } from './cache-response.ts'
export {
  type CacheDecision,
  type CachePurge,
  type CacheRequest,
  type CacheStats,
  createHttpCache,
  type HttpCache,
} from './http-cache.ts'
export { createCacheInterceptor } from './interceptor.ts'
export { createMemoryStore, type MemoryStore, type MemoryStoreOptions } from './memory-store.ts'
export { type HttpCacheOptions, readTargets } from './options.ts'
export type { CacheStore } from './store.ts'
export type { PurgeMatch, StoredResponse } from './stored-response.ts'
