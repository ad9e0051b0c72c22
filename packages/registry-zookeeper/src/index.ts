export type { ZooKeeperRegistryOptions } from './options.ts'
export { createZooKeeperRegistry } from './zookeeper-registry.ts'
