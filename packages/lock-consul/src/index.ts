export { createConsulLock } from './consul-lock.ts'
export type { ConsulLockOptions } from './options.ts'
