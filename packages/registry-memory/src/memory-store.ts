import { createDepartures, type RenewResult } from '@sd/adapter-kit'
import { checkDuration, checkKnownKeys, checkNumber, guardListener, type ServiceInstance } from '@sd/core'
import { LeaseTable } from './lease-table.ts'

/** Options of {@link createMemoryStore}. */
export interface MemoryStoreOptions {
  /** Interval at which expired leases are removed, in milliseconds. @default 500 */
  readonly sweepIntervalMs?: number
  /**
   * Stops expiry while fewer than this share of all leases was renewed within half of their time to live: a network
   * fault is then more likely, as in Eureka's self-preservation (0.85 there). 0 turns it off.
   *
   * @default 0
   */
  readonly selfPreservationThreshold?: number
}

/** The instances of one service at one point in time. */
export interface StoredService {
  /** The instances, in no particular order. */
  readonly instances: readonly ServiceInstance[]
  /** Increases with every change of the store. */
  readonly revision: number
}

/**
 * The backend of memory registries. Several registries of one process can share one. Its fault controls simulate
 * outages for tests and demos.
 */
export interface MemoryStore {
  /** Whether the store is available. */
  readonly available: boolean
  /** Whether self-preservation suspended expiry at the last sweep. */
  readonly selfPreserving: boolean
  /** Creates or replaces an instance and its lease. */
  put(instance: ServiceInstance, incarnation: string): void
  /** Renews the lease of an instance. */
  renew(instance: ServiceInstance, incarnation: string): RenewResult
  /** Removes an instance; with an incarnation only if it belongs to that one. Returns whether it existed. */
  remove(service: string, instanceId: string, incarnation?: string): boolean
  /** Whether an instance was removed recently, as opposed to expired or cleared with {@link MemoryStore.clear}. */
  hasLeft(service: string, instanceId: string): boolean
  /** Returns the instances of a service; none for an unknown service. */
  list(service: string): StoredService
  /** Sorted names of the services that have instances. */
  listServices(): readonly string[]
  /**
   * Calls `listener` when a service changes, or with `undefined` when the set of services changes. Returns a function
   * that removes the listener.
   */
  onChange(service: string | undefined, listener: () => void): () => void
  /** Calls `listener` with the name of every service that changes. Returns a function that removes the listener. */
  onAnyChange(listener: (service: string) => void): () => void
  /** Calls `listener` when the store becomes unavailable or available. Returns a function that removes the listener. */
  onAvailabilityChange(listener: () => void): () => void
  /** Fault control: an unavailable store rejects all operations, and its leases do not expire. */
  setAvailable(available: boolean): void
  /** Fault control: removes all instances, like a server that restarts empty. */
  clear(): void
}

/** Creates an empty store. Its one timer runs only while there are leases and does not keep the process alive. */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  checkKnownKeys('', options, ['sweepIntervalMs', 'selfPreservationThreshold'])
  const sweepIntervalMs = checkDuration('sweepIntervalMs', options.sweepIntervalMs ?? 500, 1)
  const threshold = checkNumber('selfPreservationThreshold', options.selfPreservationThreshold ?? 0, { min: 0, max: 1 })
  const table = new LeaseTable()
  const availabilityListeners = new Set<() => void>()
  const departures = createDepartures()
  let available = true
  let selfPreserving = false
  let sweeper: ReturnType<typeof setInterval> | undefined

  function sweep(): void {
    if (!available) return
    const now = performance.now()
    const { total, punctual } = table.count(now)
    selfPreserving = punctual < total * threshold
    if (!selfPreserving) table.expire(now)
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
      const record = table.recordOf(instance.service)
      const hadLeases = record.leases.size > 0
      record.leases.set(instance.id, { instance, incarnation, renewedAt: performance.now() })
      if (sweeper === undefined) {
        sweeper = setInterval(sweep, sweepIntervalMs)
        sweeper.unref?.()
      }
      table.touch(instance.service, record, hadLeases)
    },
    renew(instance, incarnation) {
      const lease = table.services.get(instance.service)?.leases.get(instance.id)
      if (!lease) return 'lost'
      if (lease.incarnation !== incarnation) return 'superseded'
      lease.renewedAt = performance.now()
      return 'renewed'
    },
    remove(service, instanceId, incarnation) {
      const record = table.services.get(service)
      const lease = record?.leases.get(instanceId)
      if (!record || !lease) return false
      if (incarnation !== undefined && lease.incarnation !== incarnation) return false
      departures.add(service, instanceId)
      table.drop(service, record, [instanceId])
      return true
    },
    hasLeft: (service, instanceId) => departures.has(service, instanceId),
    list(service) {
      const record = table.services.get(service)
      if (!record) return { instances: [], revision: table.revision }
      return { instances: Array.from(record.leases.values(), (lease) => lease.instance), revision: record.revision }
    },
    listServices() {
      const names: string[] = []
      for (const [service, { leases }] of table.services) if (leases.size > 0) names.push(service)
      return names.sort()
    },
    onChange(service, listener) {
      if (service === undefined) return subscribe(table.servicesListeners, listener)
      const own = guardListener('listener of the memory store', listener)
      const record = table.recordOf(service)
      record.listeners.add(own)
      return () => {
        record.listeners.delete(own)
        table.forgetIfUnused(service, record)
      }
    },
    onAnyChange: (listener) => subscribe(table.anyListeners, listener),
    onAvailabilityChange: (listener) => subscribe(availabilityListeners, listener),
    setAvailable(next) {
      if (next === available) return
      available = next
      // Holders could not renew, so each lease starts again when the store is available.
      const now = performance.now()
      for (const { leases } of table.services.values()) for (const lease of leases.values()) lease.renewedAt = now
      for (const notify of [...availabilityListeners]) notify()
    },
    clear() {
      for (const [service, record] of [...table.services]) {
        if (record.leases.size > 0) table.drop(service, record, [...record.leases.keys()])
      }
    },
  }
}

function subscribe<Arguments extends readonly unknown[]>(
  listeners: Set<(...values: Arguments) => void>,
  listener: (...values: Arguments) => void,
): () => void {
  const own = guardListener('listener of the memory store', listener)
  listeners.add(own)
  return () => listeners.delete(own)
}
