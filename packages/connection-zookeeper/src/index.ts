export type { AccessPermission, AccessRule } from './access.ts'
export { followChanges, forEachAtOnce, type ZooKeeperFollowOptions } from './changes.ts'
export { isDenied } from './errors.ts'
export { checkChroot, createFolder, missingChroot } from './folders.ts'
export {
  CONNECTION_OPTIONS,
  checkPath,
  type ResolvedZooKeeperConnectionOptions,
  resolveZooKeeperConnectionOptions,
  type ZooKeeperConnectionOptions,
} from './options.ts'
export { parentOf } from './paths.ts'
export type { NodeStat, ReadNode, ZooKeeperClient } from './zookeeper-client.ts'
export { createZooKeeperConnection, type ZooKeeperConnection, type ZooKeeperConnectionInit } from './zookeeper-connection.ts'
