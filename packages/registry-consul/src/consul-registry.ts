import { assembleRegistry, decodeEntries, keepLatest, type OperationContext } from '@sd/adapter-kit'
import { createConsulConnection, type Found, followQuery, ping, type Query, queryOnce } from '@sd/connection-consul'
import { createSnapshot, keepIfSame, type Registry, SdError, type ServiceSnapshot } from '@sd/core'
import { createConsulAgent } from './consul-agent.ts'
import { foreignId, readEntries, readEntry, sharedIds } from './entries.ts'
import { checkSize, readServiceName, serviceId, serviceName } from './layout.ts'
import { type ConsulRegistryOptions, resolveConsulRegistryOptions } from './options.ts'
import { ReadAccess } from './read-access.ts'

// No watchAll: no Consul query returns the instances of all services. The catalog lists names without what changed, and
// checks have no addresses.
const capabilities = {
  register: true,
  watch: 'push',
  listServices: true,
  ttl: true,
  conditionalRemove: true,
  healthChecks: true,
} as const

/**
 * Creates a registry that registers instances on a Consul agent, with a heartbeat check, and finds those of the whole
 * datacenter.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createConsulRegistry(options: ConsulRegistryOptions = {}): Registry {
  const settings = resolveConsulRegistryOptions(options)
  const { prefix, datacenter, ttlMs, name, operationTimeoutMs, enabled } = settings
  const connection = createConsulConnection(settings)
  const agent = createConsulAgent(connection, settings)
  const dc = datacenter === undefined ? {} : { dc: datacenter }
  const scope = settings.stale ? { ...dc, stale: true, consistent: false } : dc
  const access = new ReadAccess(connection, settings)

  const nameOf = (service: string): string => serviceName(prefix, service)
  const listQuery =
    (service: string): Query =>
    ({ client }, query) =>
      client.health.service({ ...query, ...scope, service: nameOf(service) })
  const servicesQuery: Query = ({ client }, query) => client.catalog.services({ ...query, ...scope })

  async function toSnapshot(
    service: string,
    { body, index: revision, filtered }: Found,
    { signal, previous }: OperationContext & { readonly previous?: ServiceSnapshot | undefined },
  ): Promise<ServiceSnapshot> {
    if (filtered) throw access.hidden(`only a part of ${service}`)
    const entries = readEntries(body, nameOf(service))
    if (entries.length === 0) await access.check(nameOf(service), signal)
    const shared = sharedIds(entries)
    const read = decodeEntries(name, service, entries, (entry) => readEntry(entry, service, shared))
    // After a move to another agent, an instance of ours is on both.
    return createSnapshot({ service, instances: keepLatest(name, service, read), revision, previous })
  }

  async function toNames({ body, filtered }: Found, signal: AbortSignal): Promise<readonly string[]> {
    if (typeof body !== 'object' || body === null)
      throw new SdError('SD_MALFORMED', `${name} returned a malformed list of services`)
    const names = Object.keys(body)
    // Consul's own servers are a service too. A caller that does not see even those may not be allowed to see anything.
    if (names.length === 0 && settings.token === undefined) throw access.hidden('no service')
    const services = names.flatMap((one) => readServiceName(prefix, one) ?? []).sort()
    if (services.length === 0 && filtered) {
      // A token with access to some services lists only those. To find out whether it has access to any service of
      // ours, check an unused name.
      await access.check(nameOf('sd-may-it-be-read'), signal)
      await access.checkNodesVisible(signal)
    }
    return services
  }

  const { registry } = assembleRegistry({
    name,
    capabilities,
    ttlMs,
    operationTimeoutMs,
    enabled,
    driver: agent.driver,
    check: checkSize,
    list: async (service, read) => toSnapshot(service, await queryOnce(connection, listQuery(service), read.signal), read),
    listServices: async ({ signal }) => toNames(await queryOnce(connection, servicesQuery, signal), signal),
    async remove(service, instanceId, { signal }) {
      const { body } = await queryOnce(connection, listQuery(service), signal)
      const ours = serviceId(nameOf(service), instanceId)
      const entries = readEntries(body, nameOf(service))
      const shared = sharedIds(entries)
      for (const entry of entries) {
        const isOurs = entry.Service.ID === ours
        if (isOurs || foreignId(entry, shared) === instanceId) await agent.removeEntry(entry, isOurs, signal)
      }
    },
    ping: ({ signal }) => connection.run(ping, signal),
    follow: (service, { offer, previous, signal }) =>
      followQuery(connection, listQuery(service), {
        signal,
        onFound: async (found) => offer(await toSnapshot(service, found, { signal, previous: previous() })),
      }),
    followServices: ({ offer, previous, signal }) =>
      followQuery(connection, servicesQuery, {
        signal,
        onFound: async (found) => offer(keepIfSame(previous(), await toNames(found, signal))),
      }),
    close: () => connection.close(),
  })
  return registry
}
