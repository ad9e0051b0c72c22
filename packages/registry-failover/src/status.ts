import type { ConnectionState, SdError } from '@sd/core'
import type { FailoverMode } from './options.ts'

/**
 * - `unknown`: not heard of yet
 * - `healthy`: the last sign of life came
 * - `away`: the last sign of life did not come
 */
export type MemberState = 'unknown' | 'healthy' | 'away'

/** How one member is. */
export interface MemberStatus {
  /** Its name. */
  readonly name: string
  /** How it is. */
  readonly state: MemberState
  /** Since when it is healthy, in epoch milliseconds; absent while it is not. */
  readonly healthySince?: number
  /** Since when it is away, in epoch milliseconds; absent while it is not. */
  readonly awaySince?: number
  /** Why it is away; absent while it is not. */
  readonly lastError?: SdError
  /** Whether reads come from it now. */
  readonly active: boolean
  /** Whether registrations are kept on it now. */
  readonly registers: boolean
}

/** How a failover registry is. */
export interface FailoverStatus {
  /** How members are used together. */
  readonly mode: FailoverMode
  /** As `state` of the registry. */
  readonly state: ConnectionState
  /** The members, the best first. */
  readonly members: readonly MemberStatus[]
}
