import type { OperationOptions } from '../async/operation-options.ts'
import type { Watched } from '../async/watched.ts'
import type { SdError } from '../errors.ts'
import type { InstanceSpec, InstanceUpdate, ServiceInstance } from '../instance/service-instance.ts'
import type { AllServices, ServiceSnapshot } from '../instance/snapshot.ts'

/** Options of {@link Registrar.register}. */
export interface RegisterOptions extends OperationOptions {
  /**
   * How long to keep trying while the backend is unreachable, in milliseconds. @default the registry's
   * `operationTimeoutMs`, 5_000
   */
  readonly timeoutMs?: number
  /**
   * What to do if the first attempt fails because the backend is unreachable: `reject` keeps trying for `timeoutMs` and
   * then rejects; `recover` returns a Registration in state `recovering` at once, which keeps trying in the background.
   *
   * @default 'reject'
   */
  readonly whenUnavailable?: 'reject' | 'recover'
}

/**
 * State of a registration.
 *
 * - `active`: the backend confirmed the instance
 * - `recovering`: the lease is lost or the backend is unreachable; it registers again automatically
 * - `failed`: the backend refuses (denied, malformed, replaced by another process); see `lastError`
 * - `closed`: deregistered, replaced by a newer registration of the same id, or its registry was closed
 */
export type RegistrationState = 'active' | 'recovering' | 'failed' | 'closed'

/**
 * Handle of a registered instance. It holds the desired state: after a lost lease, an expired session or a backend that
 * lost its data, it registers the instance again.
 */
export interface Registration extends AsyncDisposable {
  /** The desired state of the instance. */
  readonly instance: ServiceInstance
  readonly state: RegistrationState
  /** Why it is not `active`; absent while it is. */
  readonly lastError?: SdError | undefined
  /**
   * Changes the instance. Resolves when the backend has stored the change.
   *
   * @throws SdError `SD_INVALID` or another error that is not retryable: nothing was changed. With a retryable error, the
   * change is kept and applied on recovery. `SD_CLOSED` after deregistration.
   */
  update(change: InstanceUpdate, options?: OperationOptions): Promise<void>
  /**
   * Removes the instance and ends the handle. Idempotent. Removes only what this registration stored, if the backend can
   * distinguish that.
   */
  deregister(options?: OperationOptions): Promise<void>
  /**
   * Calls `listener` at every change of state. A failing listener causes a warning. @returns a function that removes the
   * listener
   */
  onStateChange(listener: (registration: Registration) => void): () => void
}

/** Registers instances. */
export interface Registrar {
  /**
   * Registers an instance. Idempotent by service and id: the last registration wins.
   *
   * @throws SdError `SD_INVALID` for an invalid spec, `SD_UNAVAILABLE` if the backend was unreachable for `timeoutMs`,
   * `SD_DENIED`, `SD_CLOSED`
   */
  register(spec: InstanceSpec, options?: RegisterOptions): Promise<Registration>
}

/** Finds instances. */
export interface Discoverer {
  /**
   * Returns the instances of a service; an empty snapshot for an unknown service.
   *
   * @throws SdError with `code` and `retryable` if the backend can't be read; never returns an empty list instead
   */
  getInstances(service: string, options?: OperationOptions): Promise<ServiceSnapshot>
  /** Returns one instance by id, or `undefined`. @throws the errors of {@link Discoverer.getInstances} */
  getInstance(service: string, instanceId: string, options?: OperationOptions): Promise<ServiceInstance | undefined>
  /**
   * Returns the names of the services that have instances, sorted. @throws SdError `SD_UNSUPPORTED` if
   * `capabilities.listServices` is false
   */
  listServices(options?: OperationOptions): Promise<readonly string[]>
  /**
   * Yields the current snapshot first, then full snapshots (including empty ones) whenever content or staleness changes.
   * A slow consumer receives only the latest. It reconnects automatically, ends on abort and close, and throws only
   * errors that waiting can't resolve. Each iteration is a separate watch; nothing happens before iteration starts.
   */
  watch(service: string, options?: OperationOptions): AsyncIterable<Watched<ServiceSnapshot>>
  /** Like {@link Discoverer.watch}, for the sorted names of the services that have instances. */
  watchServices(options?: OperationOptions): AsyncIterable<Watched<readonly string[]>>
  /**
   * Like {@link Discoverer.watch}, for all services, over one stream of the backend. A service that did not change keeps
   * its snapshot, so that `===` finds the changed ones. The iteration throws `SD_UNSUPPORTED` without
   * `capabilities.watchAll`.
   */
  watchAll(options?: OperationOptions): AsyncIterable<Watched<AllServices>>
}

/** What a registry supports. Literal values, so that types and the contract suite can use them. */
export interface RegistryCapabilities {
  /** Whether it can register instances. */
  readonly register: boolean
  /** How it learns about changes: the backend pushes them, or it polls. */
  readonly watch: 'push' | 'poll'
  /** Whether the backend can list its services. */
  readonly listServices: boolean
  /** Whether one stream of the backend covers the instances of all services, regardless of their number. @default false */
  readonly watchAll?: boolean
  /** Whether an instance that is not renewed for its `ttlMs` is removed automatically. */
  readonly ttl: boolean
  /** Whether removal affects only what the same registration stored. */
  readonly conditionalRemove: boolean
  /**
   * Whether the backend runs the health check that an instance declares (`healthCheck`), so that callers need not.
   * @default false
   */
  readonly healthChecks?: boolean
}

/** `connected`: the last contact succeeded. `disconnected`: the backend is unreachable. `closed`: permanently. */
export type ConnectionState = 'connected' | 'disconnected' | 'closed'

/** A source of instances; it may also register them. */
export interface ReadOnlyRegistry extends Discoverer, AsyncDisposable {
  /** Name for logs and metrics, such as `consul`. */
  readonly name: string
  readonly capabilities: RegistryCapabilities
  /** State of the connection. Changes are published on the `sd:v1:backend:state` channel. */
  readonly state: ConnectionState
  /**
   * Whether an instance is known to have been removed on purpose: because this object removed it, or because the backend
   * distinguishes removal from expiry. If a list shrinks suddenly, Discovery keeps instances except for these.
   */
  hasLeft?(service: string, instanceId: string): boolean
  /** Checks that the backend responds. @throws SdError if it does not */
  ping(options?: OperationOptions): Promise<void>
  /** Ends watches, deregisters, closes the connection. Idempotent and bounded in time. The process can then exit. */
  close(): Promise<void>
}

/** Registers and finds instances. */
export interface Registry extends Registrar, ReadOnlyRegistry {
  /**
   * Removes an instance that has no owner. For operators: a live Registration would register it again. Succeeds if the
   * instance does not exist.
   */
  deregister(service: string, instanceId: string, options?: OperationOptions): Promise<void>
}
