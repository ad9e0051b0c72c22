export { createEtcdLock } from './etcd-lock.ts'
export type { EtcdLockOptions } from './options.ts'
