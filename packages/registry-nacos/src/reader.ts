import { decodeEntries, keepLatest } from '@sd/adapter-kit'
import type { UseApi } from '@sd/connection-nacos'
import {
  createSnapshot,
  keepIfSame,
  SdError,
  type ServiceSnapshot,
  settlesWithin,
  sleep,
  type WatchSession,
  withTimeout,
} from '@sd/core'
import { decodeInstance, readPlace } from './instance-codec.ts'
import type { NacosApi } from './nacos-api.ts'
import { fromNacosName, toNacosName } from './names.ts'
import type { ResolvedNacosRegistryOptions } from './options.ts'

/** Reads and follows services, on any API. */
export interface Reader {
  /** Returns the entries of a service in the clusters of the options, unchecked. */
  listHosts(service: string, signal: AbortSignal): Promise<readonly unknown[]>
  /** Decodes the entries of a service. */
  toSnapshot(service: string, hosts: readonly unknown[], previous?: ServiceSnapshot): ServiceSnapshot
  /** Returns the sorted names of services. @throws SdError `SD_UNSUPPORTED` if the API has no list */
  listServices(signal: AbortSignal): Promise<readonly string[]>
  /** Runs one session of watching a service: by push, or by polling if the API has none. */
  follow(service: string, session: WatchSession<ServiceSnapshot>): Promise<void>
  /** Runs one session of watching the names of services: when the server reports changes, else at an interval. */
  followServices(session: WatchSession<readonly string[]>): Promise<void>
}

/** Servers report new services at once, and one without instances only when they remove it: the list is still read this many times less often. */
const unreportedFactor = 5

/** Creates a reader. */
export function createReader(use: UseApi<NacosApi>, settings: ResolvedNacosRegistryOptions): Reader {
  const { clusters, refreshIntervalMs, operationTimeoutMs: timeoutMs, name } = settings

  /** Some servers ignore the clusters in the request. */
  function selectHosts(hosts: readonly unknown[]): readonly unknown[] {
    if (clusters.length === 0) return hosts
    return hosts.filter((host) => clusters.includes(readPlace(host)?.clusterName ?? ''))
  }

  async function listHosts(service: string, signal: AbortSignal): Promise<readonly unknown[]> {
    return selectHosts(await use((one) => one.list(toNacosName(service), signal)))
  }

  function toSnapshot(service: string, hosts: readonly unknown[], previous?: ServiceSnapshot): ServiceSnapshot {
    const instances = decodeEntries(name, service, hosts, (host) => decodeInstance(service, host))
    // An id that moved to another address is listed twice until the old entry expires.
    return createSnapshot({ service, instances: keepLatest(name, service, instances), previous })
  }

  async function listServices(signal: AbortSignal): Promise<readonly string[]> {
    const names = await use(async (one) => one.listServices?.(signal))
    if (!names) throw new SdError('SD_UNSUPPORTED', `${name} can't list services: Nacos 3 requires the option adminApi`)
    return [...new Set(names.map(fromNacosName))].sort()
  }

  /** One polling session of a watch. */
  async function poll<T>(
    what: string,
    { offer, signal }: WatchSession<T>,
    read: (signal: AbortSignal) => Promise<T>,
  ): Promise<void> {
    for (;;) {
      offer(await withTimeout({ timeoutMs, what: `${name} ${what}`, signal }, read))
      await sleep(refreshIntervalMs * (0.9 + Math.random() * 0.1), signal, true)
    }
  }

  return {
    listHosts,
    toSnapshot,
    listServices,
    follow(service, session) {
      const { signal, previous } = session
      const held = holdWhileShort(session)
      return use((one) => {
        if (one.follow) {
          const onHosts = (hosts: readonly unknown[]): void => held.offer(toSnapshot(service, selectHosts(hosts), previous()))
          return one.follow(toNacosName(service), onHosts, signal)
        }
        return poll(`list of ${service}`, held, async (inner) => toSnapshot(service, await listHosts(service, inner), previous()))
      })
    },
    async followServices(session) {
      const { signal, previous } = session
      const read = async (inner: AbortSignal): Promise<readonly string[]> => keepIfSame(previous(), await listServices(inner))
      let changed = Promise.withResolvers<void>()
      const reports = await use(async (one) => one.followServices?.(() => changed.resolve(), signal))
      if (!reports) return poll('list of services', session, read)
      while (!signal.aborted) {
        changed = Promise.withResolvers()
        session.offer(await withTimeout({ timeoutMs, what: `${name} list of services`, signal }, read))
        await Promise.race([reports.ended, settlesWithin(changed.promise, refreshIntervalMs * unreportedFactor)])
      }
    },
  }
}

/**
 * How long a list that lost instances during an outage is held back, in milliseconds. Official servers list them one by
 * one for 3.5 s.
 */
const settleMs = 6_000

/**
 * After an outage the server may have just started and list only a part of the instances. Holds such a list back until
 * all known instances are in it, or the time is over; the last known list stays in effect, stale.
 */
function holdWhileShort(session: WatchSession<ServiceSnapshot>): WatchSession<ServiceSnapshot> {
  const before = session.previous()
  if (!before) return session
  let held: ServiceSnapshot | undefined
  let isSettled = false
  function settle(): void {
    isSettled = true
    clearTimeout(timer)
    if (held) session.offer(held)
  }
  const timer = setTimeout(settle, settleMs)
  session.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  return {
    ...session,
    offer(snapshot) {
      held = snapshot
      const listed = new Set(snapshot.instances.map(({ id }) => id))
      if (isSettled || before.instances.every(({ id }) => listed.has(id))) settle()
    },
  }
}
