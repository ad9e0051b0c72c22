import { createDepartures, type RenewResult } from '@sd/adapter-kit'
import { checkDuration, checkKnownKeys, checkNumber, guardListener, type ServiceInstance } from '@sd/core'

/** Options of {@link createMemoryStore}. */
export interface MemoryStoreOptions {
  /** How often expired leases are looked for, in milliseconds. @default 500 */
  readonly sweepIntervalMs?: number
  /**
   * Expiry stops while fewer than this share of all leases was renewed within half their lifetime: then the network is the more
   * likely culprit, as in Eureka's self-preservation (0.85 there). 0 turns it off.
   *
   * @default 0
   */
  readonly selfPreservationThreshold?: number
}

/** The instances of one service at one moment. */
export interface StoredService {
  /** The instances, in no particular order. */
  readonly instances: readonly ServiceInstance[]
  /** Grows with every change of the store. */
  readonly revision: number
}

/**
 * The backend of memory registries: what a registry server is to other adapters. Several registries of one process may share one.
 * Its fault controls let tests and demos show an outage.
 */
export interface MemoryStore {
  /** Whether the store answers. */
  readonly available: boolean
  /** Whether expiry is suspended by self-preservation, as of the last sweep. */
  readonly selfPreserving: boolean
  /** Creates or replaces an instance and its lease. */
  put(instance: ServiceInstance, incarnation: string): void
  /** Renews the lease of an instance. */
  renew(instance: ServiceInstance, incarnation: string): RenewResult
  /** Removes an instance; with an incarnation only if it is that one's. Returns whether it was there. */
  remove(service: string, instanceId: string, incarnation?: string): boolean
  /** Whether an instance was removed lately, rather than lost by expiry or {@link MemoryStore.clear}. */
  hasLeft(service: string, instanceId: string): boolean
  /** The instances of a service; an unknown one has none. */
  list(service: string): StoredService
  /** Sorted names of the services that have instances. */
  listServices(): readonly string[]
  /** Calls `listener` when one service changed, or with `undefined` the set of services. Returns a function that ends it. */
  onChange(service: string | undefined, listener: () => void): () => void
  /** Calls `listener` with the name of every service that changed. Returns a function that ends it. */
  onAnyChange(listener: (service: string) => void): () => void
  /** Calls `listener` when the store went away or came back. Returns a function that ends it. */
  onAvailabilityChange(listener: () => void): () => void
  /** Fault control: an unavailable store refuses every registry, and its leases do not expire. */
  setAvailable(available: boolean): void
  /** Fault control: forgets everything, like a server that was restarted empty. */
  clear(): void
}

interface Lease {
  readonly instance: ServiceInstance
  readonly incarnation: string
  renewedAt: number
}

interface ServiceRecord {
  readonly leases: Map<string, Lease>
  readonly listeners: Set<() => void>
  revision: number
}

/** Builds an empty store. Its one timer runs only while there are leases and does not keep the process alive. */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  checkKnownKeys('', options, ['sweepIntervalMs', 'selfPreservationThreshold'])
  const sweepIntervalMs = checkDuration('sweepIntervalMs', options.sweepIntervalMs ?? 500, 1)
  const threshold = checkNumber('selfPreservationThreshold', options.selfPreservationThreshold ?? 0, { min: 0, max: 1 })
  const services = new Map<string, ServiceRecord>()
  const servicesListeners = new Set<() => void>()
  const anyListeners = new Set<(service: string) => void>()
  const availabilityListeners = new Set<() => void>()
  const departures = createDepartures()
  let revision = 0
  let available = true
  let selfPreserving = false
  let sweeper: ReturnType<typeof setInterval> | undefined

  function recordOf(service: string): ServiceRecord {
    const found = services.get(service)
    if (found) return found
    const made: ServiceRecord = { leases: new Map(), listeners: new Set(), revision }
    services.set(service, made)
    return made
  }

  function touch(service: string, record: ServiceRecord, hadLeases: boolean): void {
    record.revision = ++revision
    for (const tell of [...record.listeners]) tell()
    for (const tell of [...anyListeners]) tell(service)
    if (hadLeases === record.leases.size > 0) return
    for (const tell of [...servicesListeners]) tell()
  }

  function forgetIfUnused(service: string, record: ServiceRecord): void {
    if (record.leases.size === 0 && record.listeners.size === 0) services.delete(service)
  }

  function drop(service: string, record: ServiceRecord, instanceIds: readonly string[]): void {
    for (const id of instanceIds) record.leases.delete(id)
    touch(service, record, true)
    forgetIfUnused(service, record)
  }

  function expire(now: number): void {
    for (const [service, record] of services) {
      const expired: string[] = []
      for (const [id, lease] of record.leases) if (now - lease.renewedAt > lifetimeOf(lease)) expired.push(id)
      if (expired.length > 0) drop(service, record, expired)
    }
  }

  function sweep(): void {
    if (!available) return
    const now = performance.now()
    let total = 0
    let punctual = 0
    for (const { leases } of services.values()) {
      for (const lease of leases.values()) {
        total++
        if (now - lease.renewedAt <= lifetimeOf(lease) / 2) punctual++
      }
    }
    selfPreserving = punctual < total * threshold
    if (!selfPreserving) expire(now)
    if (total === 0) {
      clearInterval(sweeper)
      sweeper = undefined
    }
  }

  return {
    get available() {
      return available
    },
    get selfPreserving() {
      return selfPreserving
    },
    put(instance, incarnation) {
      departures.delete(instance.service, instance.id)
      const record = recordOf(instance.service)
      const hadLeases = record.leases.size > 0
      record.leases.set(instance.id, { instance, incarnation, renewedAt: performance.now() })
      if (sweeper === undefined) {
        sweeper = setInterval(sweep, sweepIntervalMs)
        sweeper.unref?.()
      }
      touch(instance.service, record, hadLeases)
    },
    renew(instance, incarnation) {
      const lease = services.get(instance.service)?.leases.get(instance.id)
      if (!lease) return 'lost'
      if (lease.incarnation !== incarnation) return 'superseded'
      lease.renewedAt = performance.now()
      return 'renewed'
    },
    remove(service, instanceId, incarnation) {
      const record = services.get(service)
      const lease = record?.leases.get(instanceId)
      if (!record || !lease) return false
      if (incarnation !== undefined && lease.incarnation !== incarnation) return false
      departures.add(service, instanceId)
      drop(service, record, [instanceId])
      return true
    },
    hasLeft: (service, instanceId) => departures.has(service, instanceId),
    list(service) {
      const record = services.get(service)
      if (!record) return { instances: [], revision }
      return { instances: Array.from(record.leases.values(), (lease) => lease.instance), revision: record.revision }
    },
    listServices() {
      const names: string[] = []
      for (const [service, { leases }] of services) if (leases.size > 0) names.push(service)
      return names.sort()
    },
    onChange(service, listener) {
      const own = guardListener('listener of the memory store', listener)
      if (service === undefined) {
        servicesListeners.add(own)
        return () => servicesListeners.delete(own)
      }
      const record = recordOf(service)
      record.listeners.add(own)
      return () => {
        record.listeners.delete(own)
        forgetIfUnused(service, record)
      }
    },
    onAnyChange(listener) {
      const own = guardListener('listener of the memory store', listener)
      anyListeners.add(own)
      return () => anyListeners.delete(own)
    },
    onAvailabilityChange(listener) {
      const own = guardListener('listener of the memory store', listener)
      availabilityListeners.add(own)
      return () => availabilityListeners.delete(own)
    },
    setAvailable(next) {
      if (next === available) return
      available = next
      // Who could not renew must not pay for it: every lease starts anew when the store is back.
      const now = performance.now()
      for (const { leases } of services.values()) for (const lease of leases.values()) lease.renewedAt = now
      for (const tell of [...availabilityListeners]) tell()
    },
    clear() {
      for (const [service, record] of [...services]) {
        if (record.leases.size > 0) drop(service, record, [...record.leases.keys()])
      }
    },
  }
}

function lifetimeOf(lease: Lease): number {
  return lease.instance.ttlMs ?? Number.POSITIVE_INFINITY
}
