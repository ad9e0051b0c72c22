import { createRegistrationKeeper, type RegistrationDriver } from '@sd/adapter-kit'
import {
  type AllServices,
  abortError,
  checkName,
  closedError,
  collectServices,
  createServiceInstance,
  createSnapshot,
  createWatchHub,
  type InstanceSpec,
  keepIfSame,
  type Registry,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
} from '@sd/core'
import type { RegistryBackend } from '../registry-harness.ts'

/** Ways to break the reference, to see whether the contract detects it. */
export type Mutation =
  | 'none'
  | 'keeps the last instance'
  | 'never expires'
  | 'is empty in an outage'
  | 'forgets the weight'
  | 'ignores the signal'
  | 'yields heartbeats'
  | 'leaves instances after close'
  | 'works after close'
  | 'replaces instances'
  | 'does not register again'
  | 'recreates all services'
  | 'keeps services without instances'

interface Lease {
  readonly instance: ServiceInstance
  readonly incarnation: string
  renewedAt: number
}

/** Creates the simplest backend that meets the contract, unless it is broken on purpose. */
export function createReferenceBackend(mutation: Mutation = 'none'): RegistryBackend {
  const leases = new Map<string, Lease>()
  const listeners = new Set<() => void>()
  const links = new Map<Registry, (connected: boolean) => void>()
  const changed = (): void => {
    for (const listener of [...listeners]) listener()
  }
  const sweeper = setInterval(() => {
    if (mutation === 'yields heartbeats') changed()
    if (mutation === 'never expires') return
    for (const [key, { instance, renewedAt }] of leases) {
      if (performance.now() - renewedAt < (instance.ttlMs ?? Number.POSITIVE_INFINITY)) continue
      leases.delete(key)
      changed()
    }
  }, 20)
  sweeper.unref()

  return {
    open: async () => openReference({ leases, listeners, links, changed, mutation }),
    setConnected: (registry, connected) => links.get(registry)?.(connected),
    dispose: async () => clearInterval(sweeper),
  }
}

/** State that all registries of one reference backend share. */
interface ReferenceStore {
  readonly leases: Map<string, Lease>
  readonly listeners: Set<() => void>
  readonly links: Map<Registry, (connected: boolean) => void>
  readonly changed: () => void
  readonly mutation: Mutation
}

function keyOf(service: string, id: string): string {
  return JSON.stringify([service, id])
}

/** Opens a registry on the reference backend. */
function openReference(store: ReferenceStore): Registry {
  const { leases, listeners, links, changed, mutation } = store
  let connected = true
  let closed = false
  const losses = new Set<(error: SdError) => void>()
  function reach(signal?: AbortSignal, evenIfClosed: boolean = false): void {
    if (closed && !evenIfClosed && mutation !== 'works after close') throw closedError('reference')
    if (signal?.aborted && mutation !== 'ignores the signal') throw abortError(signal, 'reference')
    if (!connected && mutation !== 'is empty in an outage') throw new SdError('SD_UNAVAILABLE', 'reference is unreachable')
  }
  function follow(read: () => void, signal: AbortSignal): Promise<void> {
    reach()
    return new Promise((resolve, reject) => {
      const end = (error?: SdError): void => {
        listeners.delete(read)
        losses.delete(end)
        if (error) reject(error)
        else resolve()
      }
      losses.add(end)
      listeners.add(read)
      signal.addEventListener('abort', () => end(), { once: true })
      read()
    })
  }
  const backoff = { baseMs: 20, maxMs: 50 }
  const snapshots = createWatchHub<ServiceSnapshot>({
    name: 'reference',
    backoff,
    session: async (service, { offer, previous, signal }) =>
      follow(() => connected && offer(listOne(store, connected, service, previous())), signal),
  })
  const services = createWatchHub<readonly string[]>({
    name: 'reference',
    backoff,
    session: async (_, { offer, previous, signal }) => follow(() => offer(keepIfSame(previous(), namesOf(store))), signal),
  })
  const everything = createWatchHub<AllServices>({
    name: 'reference',
    backoff,
    session: async (_, { offer, previous, signal }) =>
      follow(() => (connected || mutation === 'is empty in an outage') && offer(listAll(store, connected, previous())), signal),
  })
  const keeper = createRegistrationKeeper({
    registry: 'reference',
    backoff: mutation === 'does not register again' ? { baseMs: 1_000_000, maxMs: 1_000_000 } : backoff,
    renewIntervalMs: ({ ttlMs = 1_000 }) => ttlMs / 3,
    driver: createReferenceDriver(
      store,
      () => reach(undefined, true),
      () => closed,
    ),
  })
  const registry: Registry = {
    name: 'reference',
    capabilities: { register: true, watch: 'push', listServices: true, watchAll: true, ttl: true, conditionalRemove: true },
    get state() {
      if (closed) return 'closed'
      return connected ? 'connected' : 'disconnected'
    },
    async register(spec: InstanceSpec, options) {
      const instance = createServiceInstance({ ttlMs: 1_000, ...spec })
      if (closed) throw closedError('reference')
      return keeper.register(instance, options)
    },
    async deregister(service, instanceId, { signal } = {}) {
      reach(signal)
      leases.delete(keyOf(service, instanceId))
      changed()
    },
    async getInstances(service, { signal } = {}) {
      checkName('service', service)
      reach(signal)
      return listOne(store, connected, service)
    },
    async getInstance(service, instanceId, { signal } = {}) {
      reach(signal)
      return listOne(store, connected, service).instances.find(({ id }) => id === instanceId)
    },
    async listServices({ signal } = {}) {
      reach(signal)
      return namesOf(store)
    },
    watch: (service, options) => snapshots.watch(service, options),
    watchServices: (options) => services.watch('', options),
    watchAll: (options) => everything.watch('', options),
    ping: async ({ signal } = {}) => reach(signal),
    async close() {
      closed = true
      links.delete(registry)
      await Promise.all([keeper.close(), snapshots.close(), services.close(), everything.close()])
    },
    [Symbol.asyncDispose]: () => registry.close(),
  }
  links.set(registry, (next) => {
    connected = next
    if (!next) for (const lose of [...losses]) lose(new SdError('SD_UNAVAILABLE', 'reference is unreachable'))
  })
  return registry
}

function createReferenceDriver(
  { leases, changed, mutation }: ReferenceStore,
  reach: () => void,
  isClosed: () => boolean,
): RegistrationDriver {
  return {
    async put(instance, { incarnation }) {
      reach()
      const kept = mutation === 'forgets the weight' ? { ...instance, weight: 1 } : instance
      leases.set(keyOf(instance.service, instance.id), { instance: kept, incarnation, renewedAt: performance.now() })
      changed()
    },
    async renew({ service, id }, { incarnation }) {
      reach()
      const lease = leases.get(keyOf(service, id))
      if (!lease) return 'lost'
      if (lease.incarnation !== incarnation) return 'superseded'
      lease.renewedAt = performance.now()
      return 'renewed'
    },
    async remove({ service, id }, { incarnation }) {
      reach()
      if (mutation === 'leaves instances after close' && isClosed()) return
      const key = keyOf(service, id)
      if (leases.get(key)?.incarnation === incarnation) leases.delete(key)
      changed()
    },
  }
}

function listOne(
  { leases, mutation }: ReferenceStore,
  connected: boolean,
  service: string,
  previous?: ServiceSnapshot,
): ServiceSnapshot {
  const found = [...leases.values()].map(({ instance }) => instance).filter((instance) => instance.service === service)
  const instances = connected ? found : []
  if (mutation === 'keeps the last instance' && instances.length === 0 && previous) return previous
  const isFresh = mutation === 'replaces instances' || mutation === 'yields heartbeats'
  const copies = isFresh ? instances.map((instance) => ({ ...instance })) : instances
  return createSnapshot({ service, instances: copies, ...(isFresh ? {} : { previous }) })
}
function namesOf({ leases }: ReferenceStore): readonly string[] {
  return [...new Set([...leases.values()].map(({ instance }) => instance.service))].sort()
}

function listAll(store: ReferenceStore, connected: boolean, previous: AllServices | undefined): AllServices {
  const { mutation } = store
  if (!connected) return new Map()
  const known = mutation === 'keeps services without instances' ? [...(previous?.keys() ?? [])] : []
  const fresh = mutation === 'recreates all services'
  const read = [...new Set([...namesOf(store), ...known])].map((service) =>
    listOne(store, connected, service, fresh ? undefined : previous?.get(service)),
  )
  if (mutation === 'keeps services without instances') return new Map(read.map((snapshot) => [snapshot.service, snapshot]))
  return collectServices(read, previous)
}
