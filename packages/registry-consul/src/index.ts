export { createConsulRegistry } from './consul-registry.ts'
export type { ConsulHealthCheck } from './health-checks.ts'
export type { ConsulRegistryOptions } from './options.ts'
