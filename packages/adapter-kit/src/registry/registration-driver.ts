import type { ServiceInstance } from '@sd/core'

/** What goes with every operation on a registered instance. */
export interface RegistrationContext {
  /** Marks what this registration put on the backend, so that another process's instance of the same id is left alone. */
  readonly incarnation: string
  /** Fires at the operation's time limit. */
  readonly signal: AbortSignal
}

/** `renewed`: still there. `lost`: the backend does not know it. `superseded`: another incarnation holds the id. */
export type RenewResult = 'renewed' | 'lost' | 'superseded'

/** The backend's side of registration: three operations, each free to throw. */
export interface RegistrationDriver {
  /** Creates or replaces the instance, lease included. Must be idempotent. */
  put(instance: ServiceInstance, context: RegistrationContext): Promise<void>
  /** Renews the lease; absent where the adapter's library does it, which then calls `RegistrationKeeper.recover` on loss. */
  renew?(instance: ServiceInstance, context: RegistrationContext): Promise<RenewResult>
  /** Removes the instance, if it is still this incarnation's where the backend can tell. A missing one is no error. */
  remove(instance: ServiceInstance, context: RegistrationContext): Promise<void>
}
