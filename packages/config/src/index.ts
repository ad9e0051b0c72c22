export type { CanaryInstance, CanaryRule, CanaryVersion } from './canary-entry.ts'
export {
  type CanaryPublishOptions,
  type CanaryRelease,
  type CanaryReleaseOptions,
  type CanaryWriteOptions,
  createCanaryRelease,
} from './canary-release.ts'
export type { ConfigCheck, ConfigCheckOptions } from './check.ts'
export { type Config, createConfig } from './config.ts'
export type { CiphertextPlace, Decrypt } from './decryption.ts'
export type { ConfigExplanation, ConfigOrigin } from './explain.ts'
export { type ConfigError, type ConfigFailure, isConfigError } from './failure.ts'
export { type ConfigLineMaskOptions, createConfigLineMask, maskConfigEntry } from './mask-text.ts'
export { createMemoryConfigSource, type MemoryConfigSource, type MemoryConfigSourceOptions } from './memory-config-source.ts'
export { createMemoryConfigStore, type MemoryConfigStore } from './memory-config-store.ts'
export type { ConfigOptions, ConfigSnapshotOptions, ConfigSourceOptions } from './options.ts'
export type { Path, PathValue } from './path.ts'
export type { ProfileOptions } from './profiles.ts'
export { type ReadConfigTextOptions, readConfigText } from './read-text.ts'
export type { ConfigReport, ConfigStatus, RefusedSource, StaleSource } from './report.ts'
export type { ConfigChange, ConfigValueChange } from './subscriptions.ts'
export { type WithCanaryReleaseOptions, withCanaryRelease } from './with-canary-release.ts'
