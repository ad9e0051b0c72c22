export type { ZooKeeperConfigSourceOptions } from './options.ts'
export { createZooKeeperConfigSource } from './zookeeper-config.ts'
