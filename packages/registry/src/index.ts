export { type CreateRegistryOptions, createDiscoverySource, createRegistry } from './create-registry.ts'
export type { RegistryType, RegistryTypes } from './registry-types.ts'
export { parseRegistryUrl, type RegistryConfig } from './registry-url.ts'
