export { type CreateLockOptions, createLock } from './create-lock.ts'
export { type LockConfig, type LockType, type LockTypes, parseLockUrl } from './lock-types.ts'
