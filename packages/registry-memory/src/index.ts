export { createMemoryRegistry, type MemoryRegistry } from './memory-registry.ts'
export { createMemoryStore, type MemoryStore, type MemoryStoreOptions, type StoredService } from './memory-store.ts'
export type { MemoryRegistryOptions } from './options.ts'
