import type { WireError } from '@sd/core'

/** A change that was made, or refused. */
export interface DashboardAuditEntry {
  /** When, in Unix milliseconds. */
  readonly at: number
  /** Name of the user. */
  readonly by: string
  /** Address of the client. */
  readonly from: string
  /** What was done, such as `config.rollback`, `breaker` or `login`. */
  readonly action: string
  /** What was changed, such as `etcd orders.yaml`. */
  readonly target: string
  /** Why, in the words of the user; empty for logins. */
  readonly reason: string
  /** The state before; absent if it is not known. */
  readonly before?: unknown
  /** The state after. */
  readonly after?: unknown
  /** Why it failed; absent if it did not. */
  readonly error?: WireError | undefined
}
