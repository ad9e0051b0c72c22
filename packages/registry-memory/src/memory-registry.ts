import {
  abortError,
  checkName,
  closedError,
  createRegistrationKeeper,
  createServiceInstance,
  createSnapshot,
  createWatchHub,
  keepIfSame,
  type OperationOptions,
  observeOperation,
  publishTelemetry,
  type Registry,
  type RegistryState,
  registryStateChannel,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
} from '@sd/core'
import type { MemoryStore } from './memory-store.ts'
import { type MemoryRegistryOptions, readOptions } from './options.ts'

/** A {@link Registry} in memory, with a link to its store that can be cut. */
export interface MemoryRegistry extends Registry {
  /** Where instances are kept. */
  readonly store: MemoryStore
  /**
   * Fault control: cuts or mends the link to the store. While it is cut, operations and renewals fail and watches are stale, as
   * for a process that was paused, partitioned or killed.
   */
  setConnected(connected: boolean): void
}

const capabilities = { register: true, watch: 'push', listServices: true, ttl: true, conditionalRemove: true } as const

// The store answers at once: there is nothing to spare by waiting longer.
const backoff = { baseMs: 50, maxMs: 1_000 }

/**
 * Builds a registry whose backend is this process: for tests, demos and programs of a single process.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createMemoryRegistry(options: MemoryRegistryOptions = {}): MemoryRegistry {
  const { store, ttlMs, name } = readOptions(options)
  const breaks = new Set<(error: SdError) => void>()
  let linked = true
  let closing: Promise<void> | undefined
  let lastState: RegistryState = currentState()
  const stopFollowingAvailability = store.onAvailabilityChange(updateState)

  function currentState(): RegistryState {
    if (closing) return 'closed'
    return linked && store.available ? 'connected' : 'disconnected'
  }

  function away(): SdError {
    return new SdError('SD_UNAVAILABLE', `${name} can't reach its store`)
  }

  /** Throws unless the store can be reached. */
  function reach(signal?: AbortSignal): MemoryStore {
    if (closing) throw closedError(name)
    if (signal?.aborted) throw abortError(signal, name)
    if (!linked || !store.available) throw away()
    return store
  }

  function updateState(): void {
    const state = currentState()
    if (state === lastState) return
    lastState = state
    const error = state === 'disconnected' ? away() : undefined
    publishTelemetry(registryStateChannel, { registry: name, state, error })
    if (error) for (const fail of [...breaks]) fail(error)
  }

  /** Offers `read()` now and at every change, until the signal fires; throws when the link breaks. */
  function follow(service: string | undefined, read: () => void, signal: AbortSignal): Promise<void> {
    reach()
    return new Promise((resolve, reject) => {
      const unsubscribe = store.onChange(service, () => linked && read())
      breaks.add(stop)
      signal.addEventListener('abort', () => stop(), { once: true })
      read()
      function stop(error?: SdError): void {
        unsubscribe()
        breaks.delete(stop)
        if (error) reject(error)
        else resolve()
      }
    })
  }

  const keeper = createRegistrationKeeper({
    registry: name,
    backoff,
    renewIntervalMs: (instance) => (instance.ttlMs ?? ttlMs) / 3,
    driver: {
      put: async (instance, { incarnation }) => reachForKeeper().put(instance, incarnation),
      renew: async (instance, { incarnation }) => reachForKeeper().renew(instance, incarnation),
      remove: async ({ service, id }, { incarnation }) => void reachForKeeper().remove(service, id, incarnation),
    },
  })

  /** Deregistration goes on while the registry closes. */
  function reachForKeeper(): MemoryStore {
    if (!linked || !store.available) throw away()
    return store
  }

  const snapshots = createWatchHub<ServiceSnapshot>({
    name,
    backoff,
    session: async (service, { offer, previous, signal }) =>
      follow(service, () => offer(read(store, service, previous())), signal),
  })
  const serviceNames = createWatchHub<readonly string[]>({
    name,
    backoff,
    session: async (_, { offer, previous, signal }) =>
      follow(undefined, () => offer(keepIfSame(previous(), store.listServices())), signal),
  })

  function observe<T>(operation: string, run: () => Promise<T> | T, service?: string): Promise<T> {
    return observeOperation({ registry: name, operation, ...(service !== undefined && { service }) }, run)
  }

  async function close(): Promise<void> {
    stopFollowingAvailability()
    await Promise.all([keeper.close(), snapshots.close(), serviceNames.close()])
  }

  return {
    name,
    capabilities,
    store,
    get state() {
      return currentState()
    },
    setConnected(connected) {
      linked = connected
      updateState()
    },
    register: async (spec, registerOptions) => {
      const instance = createServiceInstance({ ...spec, ttlMs: spec.ttlMs ?? ttlMs })
      if (closing) throw closedError(name)
      return observe('register', () => keeper.register(instance, registerOptions), instance.service)
    },
    deregister: async (service, instanceId, { signal }: OperationOptions = {}) => {
      checkName('service', service)
      checkName('instanceId', instanceId)
      return observe('deregister', () => void reach(signal).remove(service, instanceId), service)
    },
    getInstances: async (service, { signal }: OperationOptions = {}) => {
      checkName('service', service)
      return observe('getInstances', () => read(reach(signal), service), service)
    },
    getInstance: async (service, instanceId, { signal }: OperationOptions = {}) => {
      checkName('service', service)
      checkName('instanceId', instanceId)
      return observe('getInstance', () => findById(read(reach(signal), service), instanceId), service)
    },
    listServices: async ({ signal }: OperationOptions = {}) => observe('listServices', () => reach(signal).listServices()),
    watch: (service, watchOptions) => snapshots.watch(checkName('service', service), watchOptions),
    watchServices: (watchOptions) => serviceNames.watch('services', watchOptions),
    ping: async ({ signal }: OperationOptions = {}) => observe('ping', () => void reach(signal)),
    close() {
      if (!closing) {
        closing = close()
        updateState()
      }
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

function read(store: MemoryStore, service: string, previous?: ServiceSnapshot): ServiceSnapshot {
  const { instances, revision } = store.list(service)
  return createSnapshot({ service, instances, revision: String(revision), previous })
}

function findById(snapshot: ServiceSnapshot, instanceId: string): ServiceInstance | undefined {
  return snapshot.instances.find(({ id }) => id === instanceId)
}
