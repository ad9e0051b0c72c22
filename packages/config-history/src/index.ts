export type { ChainAnchor, ChainProblem } from './chain.ts'
export {
  type ConfigHistory,
  createConfigHistory,
  type ListOptions,
  type Verification,
  type VerifyOptions,
  type VersionOptions,
} from './config-history.ts'
export { createFileStore, type FileStoreOptions } from './file-store.ts'
export { historyPlaceOf } from './history-place.ts'
export { createMemoryStore } from './memory-store.ts'
export type { ConfigHistoryOptions } from './options.ts'
export type { ConfigVersion, VersionChange, VersionState } from './record.ts'
export { createSourceStore, type SourceStoreOptions } from './source-store.ts'
export type { HistoryStore, StoredLog } from './store.ts'
export type { ConfigDifference } from './structured-diff.ts'
