export { type CreateRegistryOptions, createDiscoverySource, createRegistry } from './create-registry.ts'
export { parseRegistryUrl, type RegistryConfig, type RegistryType, type RegistryTypes } from './registry-types.ts'
