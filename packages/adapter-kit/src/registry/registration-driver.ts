import type { ServiceInstance } from '@sd/core'

/** Context of every operation on a registered instance. */
export interface RegistrationContext {
  /** Marks what this registration writes to the backend, so that another process's instance with the same id is not touched. */
  readonly incarnation: string
  /** Aborts at the operation's time limit. */
  readonly signal: AbortSignal
}

/**
 * `renewed`: the lease was extended. `lost`: the backend does not know the instance. `superseded`: another incarnation
 * owns the id.
 */
export type RenewResult = 'renewed' | 'lost' | 'superseded'

/** The backend's part of registration. Every operation may throw any error. */
export interface RegistrationDriver {
  /** Creates or replaces the instance, including its lease. Must be idempotent. */
  put(instance: ServiceInstance, context: RegistrationContext): Promise<void>
  /** Renews the lease. Absent if the adapter's library renews it and calls `RegistrationKeeper.recover` on loss. */
  renew?(instance: ServiceInstance, context: RegistrationContext): Promise<RenewResult>
  /**
   * Removes the instance; if the backend can distinguish that, only if it belongs to this incarnation. A missing one is
   * not an error.
   */
  remove(instance: ServiceInstance, context: RegistrationContext): Promise<void>
}
