import {
  type AllServices,
  type BackoffOptions,
  type ConnectionState,
  checkName,
  checkObject,
  checkServiceName,
  createServiceInstance,
  type ReadOnlyRegistry,
  type Registration,
  type Registry,
  type RegistryCapabilities,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  settlesWithin,
  updateServiceInstance,
  type WatchSession,
} from '@sd/core'
import { type Backend, closeLimitMs, createBackend, defaultBackoff, type OperationContext } from '../backend/backend.ts'
import type { ConnectionTracker } from '../backend/connection-state.ts'
import { observeOperation } from '../backend/operation.ts'
import { createDepartures, type Departures } from './departures.ts'
import type { RegistrationDriver } from './registration-driver.ts'
import { createRegistrationKeeper } from './registration-keeper.ts'

/** What a read-only adapter implements; {@link assembleReadOnlyRegistry} adds the rest. */
export interface ReadOnlyRegistryAdapter {
  /** Name for logs and metrics. */
  readonly name: string
  /** What the backend supports. */
  readonly capabilities: RegistryCapabilities
  /** Reads a service once. May throw any error. */
  list(service: string, options: OperationContext): Promise<ServiceSnapshot>
  /** Reads one instance. @default searches the result of `list` by id */
  get?(service: string, instanceId: string, options: OperationContext): Promise<ServiceInstance | undefined>
  /** Reads the sorted names of services; absent if `capabilities.listServices` is false. */
  listServices?(options: OperationContext): Promise<readonly string[]>
  /** Whether the backend reports that an instance was removed on purpose, see `ReadOnlyRegistry.hasLeft`. */
  hasLeft?(service: string, instanceId: string): boolean
  /** Checks that the backend responds. */
  ping(options: OperationContext): Promise<void>
  /** Runs one session of watching a service, see `WatchHubOptions.session`. */
  follow(service: string, session: WatchSession<ServiceSnapshot>): Promise<void>
  /** Runs one session of watching the names of services; absent if `capabilities.listServices` is false. */
  followServices?(session: WatchSession<readonly string[]>): Promise<void>
  /** Runs one session of watching all services over one stream; absent without `capabilities.watchAll`. */
  followAll?(session: WatchSession<AllServices>): Promise<void>
  /** Releases the backend, after watches and registrations have ended. */
  close(): void | Promise<void>
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /**
   * Delays between watch sessions, and between attempts to register again. @default 200 ms to 4 s, so that both recover
   * within 5 s after the backend is reachable again
   */
  readonly backoff?: BackoffOptions
  /** State before the first contact. @default 'disconnected' */
  readonly initialState?: ConnectionState
}

/** What an adapter that also registers implements; {@link assembleRegistry} adds the rest. */
export interface RegistryAdapter extends ReadOnlyRegistryAdapter {
  /** Registers, renews and removes instances. */
  readonly driver: RegistrationDriver
  /** Removes an instance, regardless of which process registered it. A missing one is not an error. */
  remove(service: string, instanceId: string, options: OperationContext): Promise<void>
  /** Lifetime of a lease if the instance specifies none, in milliseconds. */
  readonly ttlMs: number
  /** Rejects an instance that the backend can't store, before a request is sent. */
  check?(instance: ServiceInstance): void
  /** Whether instances are registered. @default true */
  readonly enabled?: boolean
}

/** A registry, with the part that only its adapter uses. */
export interface AssembledReadOnlyRegistry<T extends ReadOnlyRegistry> {
  /** For the user. */
  readonly registry: T
  /** For an adapter that learns about its connection on its own. */
  readonly connection: ConnectionTracker
}

/** A writable registry, with the parts that only its adapter uses. */
export interface AssembledRegistry extends AssembledReadOnlyRegistry<Registry> {
  /** Makes every active registration register again. For an adapter that learns about a lost session. */
  recover(error: SdError): void
}

/** Creates a read-only registry from an adapter: validation, time limits, telemetry, watches and closing. */
export function assembleReadOnlyRegistry(adapter: ReadOnlyRegistryAdapter): AssembledReadOnlyRegistry<ReadOnlyRegistry> {
  const { source, backend } = createSource(adapter, () => Promise.resolve())
  return { registry: source, connection: backend.connection }
}

/** Creates a registry from an adapter. It also keeps registrations alive. */
export function assembleRegistry(adapter: RegistryAdapter): AssembledRegistry {
  const { name, ttlMs, operationTimeoutMs, backoff = defaultBackoff, enabled = true } = adapter
  const departures = createDepartures()
  const { source, backend } = createSource(adapter, closeKeeper)
  const { connection, checkOpen, operate, record } = backend
  let contacts = 0
  /** Active removals by `deregister` of the registry. */
  const removals = new Set<Promise<void>>()
  const keeper = createRegistrationKeeper({
    registry: name,
    driver: noteDepartures(adapter.driver, departures),
    operationTimeoutMs,
    renewIntervalMs: (instance) => (instance.ttlMs ?? ttlMs) / 3,
    check: adapter.check,
    onContact(error) {
      if (!error) contacts++
      record(error)
    },
    backoff,
  })
  /** Deregistering many instances may take long, but only while the backend responds. */
  async function closeKeeper(): Promise<void> {
    const closed = Promise.all([keeper.close(), Promise.allSettled(removals)])
    for (let before = -1; contacts !== before; ) {
      before = contacts
      if (await settlesWithin(closed, closeLimitMs)) return
    }
  }

  const registry: Registry = {
    ...source,
    get state() {
      return connection.state
    },
    async register(spec, options) {
      checkObject('instance', spec)
      const instance = createServiceInstance({ ...spec, ttlMs: spec.ttlMs ?? ttlMs })
      adapter.check?.(instance)
      checkOpen()
      if (!enabled) return createIdleRegistration(instance)
      return observeOperation({ backend: name, operation: 'register', service: instance.service }, () =>
        keeper.register(instance, options),
      )
    },
    async deregister(service, instanceId, options) {
      checkServiceName('service', service)
      checkName('instanceId', instanceId)
      // Added before the removal: a watch may report it before the operation ends.
      departures.add(service, instanceId)
      const removal = operate('deregister', options, (read) => adapter.remove(service, instanceId, read), service)
      removals.add(removal)
      try {
        return await removal
      } finally {
        removals.delete(removal)
      }
    },
    hasLeft: (service, instanceId) => departures.has(service, instanceId) || adapter.hasLeft?.(service, instanceId) === true,
  }
  return { registry, connection, recover: (error) => keeper.recover(error) }
}

/** Wraps a driver and records what it removes. */
function noteDepartures(driver: RegistrationDriver, departures: Departures): RegistrationDriver {
  return {
    ...driver,
    put(instance, options) {
      departures.delete(instance.service, instance.id)
      return driver.put(instance, options)
    },
    remove(instance, options) {
      departures.add(instance.service, instance.id)
      return driver.remove(instance, options)
    },
  }
}

interface Source {
  readonly source: ReadOnlyRegistry
  readonly backend: Backend
}

function createSource(adapter: ReadOnlyRegistryAdapter, closeRegistrations: () => Promise<void>): Source {
  const { name, capabilities } = adapter
  const backend = createBackend({ ...adapter, role: 'registry' })
  const { connection, operate, createHub } = backend
  const snapshots = createHub<ServiceSnapshot>((service, session) => adapter.follow(service, session))
  const serviceNames = createHub<readonly string[]>((_, session) => {
    if (!adapter.followServices) throw unsupported(name, 'list services')
    return adapter.followServices(session)
  })
  const everything = createHub<AllServices>((_, session) => {
    if (!adapter.followAll) throw unsupported(name, 'watch all services over one stream')
    return adapter.followAll(session)
  })

  const source: ReadOnlyRegistry = {
    name,
    capabilities,
    get state() {
      return connection.state
    },
    async getInstances(service, options) {
      checkServiceName('service', service)
      return operate('getInstances', options, (read) => adapter.list(service, read), service)
    },
    async getInstance(service, instanceId, options) {
      checkServiceName('service', service)
      checkName('instanceId', instanceId)
      return operate('getInstance', options, (read) => findInstance(adapter, service, instanceId, read), service)
    },
    listServices: (options) =>
      operate('listServices', options, async (read) => {
        if (!adapter.listServices) throw unsupported(name, 'list services')
        return adapter.listServices(read)
      }),
    ...(adapter.hasLeft && { hasLeft: (service: string, instanceId: string) => adapter.hasLeft?.(service, instanceId) === true }),
    watch: (service, options) => snapshots.watch(checkServiceName('service', service), options),
    watchServices: (options) => serviceNames.watch('services', options),
    watchAll: (options) => everything.watch('all services', options),
    ping: (options) => operate('ping', options, (read) => adapter.ping(read)),
    close: () => backend.close({ before: closeRegistrations, backend: () => adapter.close() }),
    [Symbol.asyncDispose]: () => source.close(),
  }
  return { source, backend }
}

async function findInstance(
  adapter: ReadOnlyRegistryAdapter,
  service: string,
  instanceId: string,
  read: OperationContext,
): Promise<ServiceInstance | undefined> {
  if (adapter.get) return adapter.get(service, instanceId, read)
  return (await adapter.list(service, read)).instances.find(({ id }) => id === instanceId)
}

function unsupported(name: string, what: string): SdError {
  return new SdError('SD_UNSUPPORTED', `${name} can't ${what}`)
}

/** The handle of an instance that is not registered because the registry has `enabled: false`. */
function createIdleRegistration(instance: ServiceInstance): Registration {
  let current = instance
  return {
    get instance() {
      return current
    },
    state: 'closed',
    async update(change) {
      current = updateServiceInstance(current, change)
    },
    deregister: () => Promise.resolve(),
    onStateChange: () => () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
