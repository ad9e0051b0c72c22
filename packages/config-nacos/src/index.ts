export { createNacosConfigSource } from './nacos-config-source.ts'
export type { NacosConfigSourceOptions, NacosDataId } from './options.ts'
