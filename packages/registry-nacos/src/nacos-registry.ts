import { assembleRegistry, decodeEntries, keepLatest } from '@sd/adapter-kit'
import { createNacosConnection } from '@sd/connection-nacos'
import {
  createSnapshot,
  keepIfSame,
  type Registry,
  type RegistryCapabilities,
  SdError,
  type ServiceSnapshot,
  sleep,
  type WatchSession,
  withTimeout,
} from '@sd/core'
import { chooseApi } from './choose-api.ts'
import { decodeInstance, encodeInstance, isListed, readPlace } from './instance-codec.ts'
import { createListing } from './listing.ts'
import { fromNacosName, toNacosName } from './names.ts'
import { type NacosRegistryOptions, resolveNacosRegistryOptions } from './options.ts'
import { createOwnPlaces } from './own-places.ts'

/**
 * Creates a registry that registers and finds instances in Nacos. Registered instances send heartbeats; watched
 * services are polled.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createNacosRegistry(options: NacosRegistryOptions = {}): Registry {
  const settings = resolveNacosRegistryOptions(options)
  const { api, adminApi, clusters, ttlMs, refreshIntervalMs, persistent, operationTimeoutMs, enabled, name } = settings
  const connection = createNacosConnection(settings)
  const use = chooseApi(connection, settings)
  const places = createOwnPlaces()
  const listing = createListing((service, signal) => use((one) => one.list(service, signal)))
  const capabilities: RegistryCapabilities = {
    register: true,
    watch: 'poll',
    listServices: api !== 'v3' || adminApi,
    ttl: !persistent,
    conditionalRemove: false,
  }

  async function listHosts(service: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const hosts = await use((one) => one.list(toNacosName(service), signal))
    if (clusters.length === 0) return hosts
    // Some servers ignore the clusters in the request.
    return hosts.filter((host) => clusters.includes(readPlace(host)?.clusterName ?? ''))
  }

  async function list(service: string, signal: AbortSignal, previous?: ServiceSnapshot): Promise<ServiceSnapshot> {
    const instances = decodeEntries(name, service, await listHosts(service, signal), (host) => decodeInstance(service, host))
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
      offer(await withTimeout({ timeoutMs: operationTimeoutMs, what: `${name} ${what}`, signal }, read))
      await sleep(refreshIntervalMs * (0.9 + Math.random() * 0.1), signal, true)
    }
  }

  const { registry } = assembleRegistry({
    name,
    capabilities,
    ttlMs,
    operationTimeoutMs,
    enabled,
    driver: {
      async put(instance, { signal }) {
        const encoded = encodeInstance(instance, settings)
        const left = places.take(instance, encoded)
        const service = toNacosName(instance.service)
        await use((one) => one.register(service, encoded, signal))
        if (left) await use((one) => one.deregister(service, left, signal))
        // Official servers confirm a change before they list it. Wait, so that the next read finds it.
        await listing.until(service, (hosts) => hosts.some((host) => isListed(host, encoded)), signal)
      },
      async renew(instance, { signal }) {
        if (!persistent) return use((one) => one.beat(toNacosName(instance.service), encodeInstance(instance, settings), signal))
        const found = (await listHosts(instance.service, signal)).map(readPlace)
        return found.some((place) => place?.ip === instance.address && place.port === instance.port) ? 'renewed' : 'lost'
      },
      async remove(instance, { signal }) {
        const place = places.leave(instance)
        if (!place) return
        const service = toNacosName(instance.service)
        await use((one) => one.deregister(service, place, signal))
        const isLeft = (host: unknown): boolean => {
          const found = readPlace(host)
          return found?.ip === place.ip && found.port === place.port && found.clusterName === place.clusterName
        }
        await listing.until(service, (hosts) => !hosts.some(isLeft), signal)
      },
    },
    list: (service, { signal }) => list(service, signal),
    listServices: ({ signal }) => listServices(signal),
    async remove(service, instanceId, { signal }) {
      for (const place of (await listHosts(service, signal)).map(readPlace)) {
        if (place?.id !== instanceId) continue
        await use((one) => one.deregister(toNacosName(service), place, signal))
      }
    },
    ping: ({ signal }) => use((one) => one.ping(signal)),
    follow: (service, session) =>
      poll(`list of ${service}`, holdWhileShort(session), (signal) => list(service, signal, session.previous())),
    followServices: (session) =>
      poll('list of services', session, async (signal) => keepIfSame(session.previous(), await listServices(signal))),
    close: () => connection.close(),
  })
  return registry
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
  const settledAt = performance.now() + settleMs
  let isSettled = false
  return {
    ...session,
    offer(snapshot) {
      const listed = new Set(snapshot.instances.map(({ id }) => id))
      isSettled ||= performance.now() >= settledAt || before.instances.every(({ id }) => listed.has(id))
      if (isSettled) session.offer(snapshot)
    },
  }
}
