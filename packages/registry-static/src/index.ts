export type { StaticRegistryOptions } from './options.ts'
export { createStaticRegistry } from './static-registry.ts'
