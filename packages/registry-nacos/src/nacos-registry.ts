import { assembleRegistry } from '@sd/adapter-kit'
import { createNacosConnection } from '@sd/connection-nacos'
import type { Registry, RegistryCapabilities } from '@sd/core'
import { chooseApi } from './choose-api.ts'
import { encodeInstance, isListed, readPlace } from './instance-codec.ts'
import { createListing } from './listing.ts'
import { toNacosName } from './names.ts'
import { type NacosRegistryOptions, resolveNacosRegistryOptions } from './options.ts'
import { createOwnPlaces } from './own-places.ts'
import { createReader } from './reader.ts'

/**
 * Creates a registry that registers and finds instances in Nacos. By gRPC, changes are pushed. By HTTP,
 * registered instances send heartbeats, and watched services are polled.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createNacosRegistry(options: NacosRegistryOptions = {}): Registry {
  const settings = resolveNacosRegistryOptions(options)
  const { api, adminApi, ttlMs, persistent, operationTimeoutMs, enabled, name } = settings
  const connection = createNacosConnection(settings)
  const use = chooseApi(connection, settings, (error) => assembled.recover(error))
  const places = createOwnPlaces()
  const listing = createListing((service, signal) => use((one) => one.list(service, signal)))
  const capabilities: RegistryCapabilities = {
    register: true,
    watch: api === 'grpc' ? 'push' : 'poll',
    listServices: api !== 'v3' || adminApi,
    ttl: !persistent,
    conditionalRemove: false,
  }

  const { listHosts, toSnapshot, listServices, follow, followServices } = createReader(use, settings)

  const assembled = assembleRegistry({
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
        const isStillListed = (host: unknown): boolean => {
          const found = readPlace(host)
          return found?.ip === place.ip && found.port === place.port && found.clusterName === place.clusterName
        }
        await listing.until(service, (hosts) => !hosts.some(isStillListed), signal)
      },
    },
    list: async (service, { signal }) => toSnapshot(service, await listHosts(service, signal)),
    listServices: ({ signal }) => listServices(signal),
    async remove(service, instanceId, { signal }) {
      for (const place of (await listHosts(service, signal)).map(readPlace)) {
        if (place?.id !== instanceId) continue
        await use((one) => one.deregister(toNacosName(service), place, signal))
      }
    },
    ping: ({ signal }) => use((one) => one.ping(signal)),
    follow,
    followServices,
    close: () => connection.close(),
  })
  return assembled.registry
}
