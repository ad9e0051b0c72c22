export type { AccessPermission, AccessRule } from './access.ts'
export { type FollowOptions, followChanges, forEachAtOnce } from './changes.ts'
export { isDenied } from './errors.ts'
export { checkChroot, createFolder, missingChroot, parentOf } from './folders.ts'
export {
  CONNECTION_OPTIONS,
  checkPath,
  readConnectionOptions,
  type ZooKeeperConnectionOptions,
  type ZooKeeperConnectionSettings,
} from './options.ts'
export type { NodeStat, ReadNode, ZooKeeperConnection } from './zookeeper-connection.ts'
export { createSession, type SessionOptions, type ZooKeeperSession } from './zookeeper-session.ts'
