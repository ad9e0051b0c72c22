import {
  createConsulConnection,
  explain,
  type Found,
  followQuery,
  isAnswer,
  ping,
  type Query,
  queryOnce,
} from '@sd/connection-consul'
import {
  assembleRegistry,
  createSnapshot,
  decodeEntries,
  keepIfSame,
  type ReadOptions,
  type Registry,
  SdError,
  type ServiceSnapshot,
} from '@sd/core'
import { createConsulAgent } from './consul-agent.ts'
import { foreignId, readEntries, readEntry } from './entries.ts'
import { checkSize, readServiceName, serviceId, serviceName } from './layout.ts'
import { type ConsulRegistryOptions, readOptions } from './options.ts'

const capabilities = { register: true, watch: 'push', listServices: true, ttl: true, conditionalRemove: true } as const

/**
 * Registers instances on a Consul agent, with a heartbeat check, and finds those of the whole datacenter.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createConsulRegistry(options: ConsulRegistryOptions = {}): Registry {
  const settings = readOptions(options)
  const { prefix, datacenter, ttlMs, name, operationTimeoutMs, enabled } = settings
  const connection = createConsulConnection(settings)
  const agent = createConsulAgent(connection, settings)
  const dc = datacenter === undefined ? {} : { dc: datacenter }

  const nameOf = (service: string): string => serviceName(prefix, service)
  const listQuery =
    (service: string): Query =>
    ({ client }, query) =>
      client.health.service({ ...query, ...dc, service: nameOf(service) })
  const servicesQuery: Query = ({ client }, query) => client.catalog.services({ ...query, ...dc })

  /** Consul shows an empty list, instead of refusing, to those who may not read a service: it is believed only of what may be read. */
  async function checkReadable(service: string, signal: AbortSignal): Promise<void> {
    await connection.run(async ({ client, headers, options: { ctx } }) => {
      const params = { name: nameOf(service) }
      const asked = client._get({ path: '/agent/health/service/name/{name}', params, headers, ctx })
      await asked.catch((caught: unknown) => {
        // Every other answer speaks of health, in which the caller is not interested here.
        const error = explain(caught, name)
        if (error.code === 'SD_DENIED' || !isAnswer(error)) throw error
      })
    }, signal)
  }

  async function toSnapshot(
    service: string,
    { body, index: revision }: Found,
    { signal, previous }: ReadOptions & { readonly previous?: ServiceSnapshot | undefined },
  ): Promise<ServiceSnapshot> {
    const entries = readEntries(body, nameOf(service))
    if (entries.length === 0) await checkReadable(service, signal)
    const read = decodeEntries(name, service, entries, (entry) => readEntry(entry, service))
    // Of an id that is on two agents the latest counts.
    const instances = read.toSorted((a, b) => a.updatedAt - b.updatedAt)
    return createSnapshot({ service, instances, revision, previous })
  }

  function toNames({ body }: Found): readonly string[] {
    if (typeof body !== 'object' || body === null) throw new SdError('SD_MALFORMED', `${name} has no readable list of services`)
    const names = Object.keys(body)
    // Consul's own servers are a service too: who has no token and sees not even them sees nothing.
    const seesNothing = names.length === 0 && settings.token === undefined
    if (seesNothing) throw new SdError('SD_DENIED', `${name} shows no service without a token`)
    return names.flatMap((one) => readServiceName(prefix, one) ?? []).sort()
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
    listServices: async ({ signal }) => toNames(await queryOnce(connection, servicesQuery, signal)),
    async remove(service, instanceId, { signal }) {
      const { body } = await queryOnce(connection, listQuery(service), signal)
      const ours = serviceId(nameOf(service), instanceId)
      for (const entry of readEntries(body, nameOf(service))) {
        const isOurs = entry.Service.ID === ours
        if (isOurs || foreignId(entry) === instanceId) await agent.removeEntry(entry, isOurs, signal)
      }
    },
    ping: ({ signal }) => connection.run(ping, signal),
    follow: (service, { offer, previous, signal }) =>
      followQuery(connection, listQuery(service), {
        signal,
        onFound: async (found) => offer(await toSnapshot(service, found, { signal, previous: previous() })),
      }),
    followServices: ({ offer, previous, signal }) =>
      followQuery(connection, servicesQuery, { signal, onFound: (found) => offer(keepIfSame(previous(), toNames(found))) }),
    close: () => connection.close(),
  })
  return registry
}
