export { changeKey, type KeyChange } from './etcd-change.ts'
export { createEtcdConnection, type EtcdConnection } from './etcd-connection.ts'
export { type EtcdLease, grantLease } from './etcd-lease.ts'
export {
  type EtcdFollowOptions,
  type EtcdRange,
  followPrefix,
  type KeyValue,
  type KeyValues,
  listPrefix,
  listRange,
} from './etcd-watch.ts'
export {
  CONNECTION_OPTIONS,
  checkPrefix,
  type EtcdConnectionOptions,
  type ResolvedEtcdConnectionOptions,
  resolveEtcdConnectionOptions,
} from './options.ts'
