import { assembleRegistry, replaceServices } from '@sd/adapter-kit'
import {
  type AllServices,
  collectServices,
  createSnapshot,
  keepIfSame,
  type Registry,
  SdError,
  type ServiceSnapshot,
  type WatchSession,
} from '@sd/core'
import type { MemoryStore } from './memory-store.ts'
import { type MemoryRegistryOptions, resolveMemoryRegistryOptions } from './options.ts'

/** A {@link Registry} in memory whose connection to its store can be cut. */
export interface MemoryRegistry extends Registry {
  /** The store of the instances. */
  readonly store: MemoryStore
  /**
   * Fault control: cuts or restores the connection to the store. While it is cut, operations and renewals fail and
   * watches are stale, as for a process that was paused, partitioned or killed.
   */
  setConnected(connected: boolean): void
}

const capabilities = {
  register: true,
  watch: 'push',
  listServices: true,
  watchAll: true,
  ttl: true,
  conditionalRemove: true,
} as const

// The store responds at once, so a longer backoff has no benefit.
const backoff = { baseMs: 50, maxMs: 1_000 }

/**
 * Creates a registry whose backend is this process, for tests, demos and programs of a single process.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createMemoryRegistry(options: MemoryRegistryOptions = {}): MemoryRegistry {
  const { store, ttlMs, name } = resolveMemoryRegistryOptions(options)
  const breaks = new Set<(error: SdError) => void>()
  let linked = true

  function unreachable(): SdError {
    return new SdError('SD_UNAVAILABLE', `${name} can't reach its store`)
  }

  /** Returns the store, if it is reachable. */
  function reach(): MemoryStore {
    if (!linked || !store.available) throw unreachable()
    return store
  }

  /** Offers `read()` now and at every change, until the signal aborts. Throws when the connection is cut. */
  function follow(service: string | undefined, read: () => void, signal: AbortSignal): Promise<void> {
    return stay((notify) => store.onChange(service, notify), read, signal)
  }

  function stay(subscribe: (notify: () => void) => () => void, read: () => void, signal: AbortSignal): Promise<void> {
    reach()
    return new Promise((resolve, reject) => {
      const unsubscribe = subscribe(() => linked && read())
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

  function followAll(session: WatchSession<AllServices>): Promise<void> {
    const { note, offerAll } = createAllReader(store, session)
    const subscribe = (notify: () => void): (() => void) =>
      store.onAnyChange((service) => {
        note(service)
        notify()
      })
    return stay(subscribe, offerAll, session.signal)
  }

  const { registry, connection } = assembleRegistry({
    name,
    capabilities,
    ttlMs,
    backoff,
    operationTimeoutMs: 5_000,
    initialState: store.available ? 'connected' : 'disconnected',
    driver: {
      put: async (instance, { incarnation }) => reach().put(instance, incarnation),
      renew: async (instance, { incarnation }) => reach().renew(instance, incarnation),
      remove: async ({ service, id }, { incarnation }) => void reach().remove(service, id, incarnation),
    },
    list: async (service) => read(reach(), service),
    listServices: async () => reach().listServices(),
    remove: async (service, instanceId) => void reach().remove(service, instanceId),
    hasLeft: (service, instanceId) => store.hasLeft(service, instanceId),
    ping: async () => void reach(),
    follow: (service, { offer, previous, signal }) => follow(service, () => offer(read(store, service, previous())), signal),
    followServices: ({ offer, previous, signal }) =>
      follow(undefined, () => offer(keepIfSame(previous(), store.listServices())), signal),
    followAll,
    close: () => stopFollowingAvailability(),
  })
  const stopFollowingAvailability = store.onAvailabilityChange(updateState)

  function updateState(): void {
    if (linked && store.available) {
      connection.succeeded()
      return
    }
    const error = unreachable()
    connection.failed(error)
    for (const fail of [...breaks]) fail(error)
  }

  return {
    ...registry,
    get state() {
      return registry.state
    },
    store,
    setConnected(connected) {
      linked = connected
      updateState()
    },
  }
}

/** Follows all services. On a change, reads one service and the names of all. */
function createAllReader(
  store: MemoryStore,
  { offer, previous }: WatchSession<AllServices>,
): { readonly note: (service: string) => void; readonly offerAll: () => void } {
  const changed = new Set<string>()
  let before: AllServices | undefined
  const readOne = (service: string): ServiceSnapshot => read(store, service, (before ?? previous())?.get(service))
  return {
    note: (service) => void changed.add(service),
    offerAll() {
      before = before
        ? replaceServices(before, Array.from(changed, readOne))
        : collectServices(store.listServices().map(readOne), previous())
      changed.clear()
      offer(before)
    },
  }
}

function read(store: MemoryStore, service: string, previous?: ServiceSnapshot): ServiceSnapshot {
  const { instances, revision } = store.list(service)
  return createSnapshot({ service, instances, revision: String(revision), previous })
}
