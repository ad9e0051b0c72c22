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

/** What an adapter that only finds knows of its backend; {@link assembleReadOnlyRegistry} makes the rest. */
export interface ReadOnlyRegistryAdapter {
  /** Name for logs and metrics. */
  readonly name: string
  /** What the backend can do. */
  readonly capabilities: RegistryCapabilities
  /** Reads a service once. May throw anything. */
  list(service: string, options: OperationContext): Promise<ServiceSnapshot>
  /** Reads one instance. @default `list` and a search by id */
  get?(service: string, instanceId: string, options: OperationContext): Promise<ServiceInstance | undefined>
  /** Reads the sorted names of services; absent where `capabilities.listServices` is false. */
  listServices?(options: OperationContext): Promise<readonly string[]>
  /** Whether the backend says that an instance was removed on purpose, see `ReadOnlyRegistry.hasLeft`. */
  hasLeft?(service: string, instanceId: string): boolean
  /** Asks for a sign of life. */
  ping(options: OperationContext): Promise<void>
  /** One session of watching a service, see `WatchHubOptions.session`. */
  follow(service: string, session: WatchSession<ServiceSnapshot>): Promise<void>
  /** One session of watching the set of services; absent where `capabilities.listServices` is false. */
  followServices?(session: WatchSession<readonly string[]>): Promise<void>
  /** One session of watching all services over one stream; absent without `capabilities.watchAll`. */
  followAll?(session: WatchSession<AllServices>): Promise<void>
  /** Lets go of the backend, after watches and registrations have ended. */
  close(): void | Promise<void>
  /** Limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Delays between watch sessions, and between attempts to register again. @default 200 ms to 4 s, so that all is back within 5 s of the backend */
  readonly backoff?: BackoffOptions
  /** State before the first contact. @default 'disconnected' */
  readonly initialState?: ConnectionState
}

/** What an adapter that registers too knows of its backend. */
export interface RegistryAdapter extends ReadOnlyRegistryAdapter {
  /** Puts, renews and removes registrations. */
  readonly driver: RegistrationDriver
  /** Removes an instance, whoever put it there; a missing one is no error. */
  remove(service: string, instanceId: string, options: OperationContext): Promise<void>
  /** Lifetime of a lease for instances that name none, in milliseconds. */
  readonly ttlMs: number
  /** Refuses an instance that the backend can't hold, before anything is sent. */
  check?(instance: ServiceInstance): void
  /** Whether instances are registered at all. @default true */
  readonly enabled?: boolean
}

/** A finished source, and what its adapter may tell it. */
export interface AssembledReadOnlyRegistry<T extends ReadOnlyRegistry> {
  /** For the user. */
  readonly registry: T
  /** For an adapter that hears of its connection by itself. */
  readonly connection: ConnectionTracker
}

/** A finished registry, and what its adapter may tell it. */
export interface AssembledRegistry extends AssembledReadOnlyRegistry<Registry> {
  /** Makes every active registration register again: for an adapter that learns of a lost session. */
  recover(error: SdError): void
}

/** Everything that sources of instances have in common, on top of what is particular to one backend. */
export function assembleReadOnlyRegistry(adapter: ReadOnlyRegistryAdapter): AssembledReadOnlyRegistry<ReadOnlyRegistry> {
  const { source, backend } = createSource(adapter, () => Promise.resolve())
  return { registry: source, connection: backend.connection }
}

/** Everything that registries have in common, on top of what is particular to one backend. */
export function assembleRegistry(adapter: RegistryAdapter): AssembledRegistry {
  const { name, ttlMs, operationTimeoutMs, backoff = defaultBackoff, enabled = true } = adapter
  const departures = createDepartures()
  const { source, backend } = createSource(adapter, closeKeeper)
  const { connection, checkOpen, operate, record } = backend
  let contacts = 0
  /** The operator's removals under way. */
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
  /** Deregistering many takes its time, but only while the backend answers. */
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
      // Before it is removed: a watch may tell of it sooner than the operation ends.
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

/** A driver that remembers what it removed. */
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
  const backend = createBackend(adapter)
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

/** The handle of an instance that a registry with `enabled: false` does not register. */
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
