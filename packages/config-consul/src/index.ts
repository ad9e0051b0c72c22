export { createConsulConfigSource } from './consul-config.ts'
export type { ConsulConfigSourceOptions } from './options.ts'
