import type { OperationOptions } from '../async/operation-options.ts'
import type { Watched } from '../async/watched.ts'
import type { SdError } from '../errors.ts'
import type { InstanceSpec, InstanceUpdate, ServiceInstance } from '../instance/service-instance.ts'
import type { AllServices, ServiceSnapshot } from '../instance/snapshot.ts'

/** Options of {@link Registrar.register}. */
export interface RegisterOptions extends OperationOptions {
  /** How long to keep trying while the backend is unreachable, in milliseconds. @default the `operationTimeoutMs` of the registry, 5_000 */
  readonly timeoutMs?: number
  /**
   * What to do once the first attempt failed because the backend is away: `reject` keeps trying for `timeoutMs` and then
   * rejects; `recover` returns a Registration in state `recovering` at once, which goes on by itself.
   *
   * @default 'reject'
   */
  readonly whenUnavailable?: 'reject' | 'recover'
}

/**
 * - `active`: the backend confirmed the instance
 * - `recovering`: the lease is lost or the backend is away; registering again by itself
 * - `failed`: the backend refuses (denied, malformed, taken over by another process); see `lastError`
 * - `closed`: deregistered, replaced by a newer registration of the same id, or its registry was closed
 */
export type RegistrationState = 'active' | 'recovering' | 'failed' | 'closed'

/**
 * Handle of one registered instance. It holds the desired state: after lease loss, session expiry or a backend that came
 * back empty it registers again by itself.
 */
export interface Registration extends AsyncDisposable {
  /** The instance as it should be on the backend. */
  readonly instance: ServiceInstance
  /** How the registration is. */
  readonly state: RegistrationState
  /** Why it is not `active`; absent while it is. */
  readonly lastError?: SdError | undefined
  /**
   * Changes the instance and resolves once the backend has it.
   *
   * @throws SdError `SD_INVALID` or another that is not retryable: nothing was changed. A retryable one: the change is kept and
   * applied on recovery. `SD_CLOSED` once deregistered.
   */
  update(change: InstanceUpdate, options?: OperationOptions): Promise<void>
  /** Removes the instance and ends the handle; idempotent. Only what this registration put there is removed, where the backend can tell. */
  deregister(options?: OperationOptions): Promise<void>
  /** Calls `listener` at every change of state, until the returned function is called. One that fails is warned of. */
  onStateChange(listener: (registration: Registration) => void): () => void
}

/** Puts instances into a registry. */
export interface Registrar {
  /**
   * Registers an instance; idempotent by service and id: the last one wins.
   *
   * @throws SdError `SD_INVALID` for a bad spec; `SD_UNAVAILABLE` when the backend stayed away for `timeoutMs`; `SD_DENIED`; `SD_CLOSED`
   */
  register(spec: InstanceSpec, options?: RegisterOptions): Promise<Registration>
}

/** Finds instances. */
export interface Discoverer {
  /**
   * The instances of a service; an unknown service gives an empty snapshot.
   *
   * @throws SdError with code and `retryable` when the backend can't answer; never an empty list instead
   */
  getInstances(service: string, options?: OperationOptions): Promise<ServiceSnapshot>
  /** One instance by id; `undefined` if there is none. @throws as {@link Discoverer.getInstances} */
  getInstance(service: string, instanceId: string, options?: OperationOptions): Promise<ServiceInstance | undefined>
  /** Names of the services that have instances, sorted. @throws SdError `SD_UNSUPPORTED` where `capabilities.listServices` is false */
  listServices(options?: OperationOptions): Promise<readonly string[]>
  /**
   * Yields the current snapshot first, then full snapshots (empty ones included) whenever content or staleness changes. The
   * latest wins: a slow consumer never makes a queue grow. It reconnects by itself, ends when aborted or closed, and throws
   * only what waiting can't heal. Each iteration is a watch of its own; nothing happens before iteration starts.
   */
  watch(service: string, options?: OperationOptions): AsyncIterable<Watched<ServiceSnapshot>>
  /** Like {@link Discoverer.watch}, for the sorted names of the services that have instances. */
  watchServices(options?: OperationOptions): AsyncIterable<Watched<readonly string[]>>
  /**
   * Like {@link Discoverer.watch}, for all services at once, over one stream of the backend. A service that did not change keeps its
   * snapshot, so that `===` finds the changed ones. The iteration throws `SD_UNSUPPORTED` without `capabilities.watchAll`.
   */
  watchAll(options?: OperationOptions): AsyncIterable<Watched<AllServices>>
}

/** What a registry can do. Readonly literals, so that types and the contract suite can tell. */
export interface RegistryCapabilities {
  /** Whether instances can be registered through it. */
  readonly register: boolean
  /** How a change is noticed: told by the backend, or asked for on an interval. */
  readonly watch: 'push' | 'poll'
  /** Whether the backend can list its services. */
  readonly listServices: boolean
  /** Whether the backend tells of the instances of all services over one stream, however many services there are. @default false */
  readonly watchAll?: boolean
  /** Whether an instance goes away by itself when it is not renewed for its `ttlMs`. */
  readonly ttl: boolean
  /** Whether removal touches only what the same registration put there. */
  readonly conditionalRemove: boolean
  /** Whether the backend runs the check that an instance declares (`healthCheck`), so that its callers need not. @default false */
  readonly healthChecks?: boolean
}

/** `connected`: the last contact succeeded. `disconnected`: the backend is away. `closed`: for ever. */
export type ConnectionState = 'connected' | 'disconnected' | 'closed'

/** What every source of instances is, whether or not it also registers. */
export interface ReadOnlyRegistry extends Discoverer, AsyncDisposable {
  /** Name for logs and metrics, such as `consul`. */
  readonly name: string
  /** What it can do. */
  readonly capabilities: RegistryCapabilities
  /** How the connection is; changes are published on the `registryState` channel. */
  readonly state: ConnectionState
  /**
   * Whether it knows that an instance was removed on purpose, and not lost: because this object removed it, or because its backend tells
   * the two apart. A list that collapses is doubted, but not for these.
   */
  hasLeft?(service: string, instanceId: string): boolean
  /** Asks the backend for a sign of life. @throws SdError when there is none */
  ping(options?: OperationOptions): Promise<void>
  /** Ends watches, deregisters, closes the connection. Idempotent and bounded in time; the process can then exit by itself. */
  close(): Promise<void>
}

/** Registers and finds instances. */
export interface Registry extends Registrar, ReadOnlyRegistry {
  /**
   * Removes an instance that nobody holds any more. An operator's tool for orphans: a live Registration would register again.
   * An instance that does not exist is no error.
   */
  deregister(service: string, instanceId: string, options?: OperationOptions): Promise<void>
}
