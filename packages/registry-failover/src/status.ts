import type { ConnectionState, SdError } from '@sd/core'
import type { FailoverMode } from './options.ts'

/**
 * - `unknown`: not pinged yet
 * - `healthy`: the last ping succeeded
 * - `unreachable`: the last ping failed
 */
export type MemberState = 'unknown' | 'healthy' | 'unreachable'

/** State of one member. */
export interface MemberStatus {
  /** Its name. */
  readonly name: string
  /** Current state. */
  readonly state: MemberState
  /** When it became healthy, in epoch milliseconds; absent while it is not. */
  readonly healthySince?: number
  /** When it became unreachable, in epoch milliseconds; absent while it is not. */
  readonly unreachableSince?: number
  /** Why it is unreachable; absent while it is not. */
  readonly lastError?: SdError
  /** Whether it is read now. */
  readonly active: boolean
  /** Whether it holds registrations now. */
  readonly registers: boolean
}

/** Status of a failover registry. */
export interface FailoverStatus {
  /** How members are combined. */
  readonly mode: FailoverMode
  /** Same as `state` of the registry. */
  readonly state: ConnectionState
  /** The members, the best first. */
  readonly members: readonly MemberStatus[]
}
