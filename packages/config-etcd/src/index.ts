export { createEtcdConfigSource } from './etcd-config.ts'
export type { EtcdConfigSourceOptions } from './options.ts'
