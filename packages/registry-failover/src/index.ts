export { createFailoverRegistry, type FailoverRegistry } from './failover-registry.ts'
export type { FailoverMember, FailoverMode, FailoverRegistryOptions, FailoverSettings } from './options.ts'
export type { FailoverStatus, MemberState, MemberStatus } from './status.ts'
