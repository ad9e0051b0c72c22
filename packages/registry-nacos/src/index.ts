export { createNacosRegistry } from './nacos-registry.ts'
export type { NacosRegistryOptions } from './options.ts'
