import { parseJsonObject } from '@sd/adapter-kit'
import { createNamingRequests, type NacosConnection } from '@sd/connection-nacos'
import { SdError } from '@sd/core'
import type { NacosInstance } from './instance-codec.ts'
import type { NacosApi } from './nacos-api.ts'
import type { ResolvedNacosRegistryOptions } from './options.ts'
import { readPages } from './pages.ts'
import { createVerifier } from './verify.ts'

/** Creates the v1 API on top of the SDK's request layer. */
export function createV1Api(connection: NacosConnection, { namespace, group, clusters }: ResolvedNacosRegistryOptions): NacosApi {
  const sdk = createNamingRequests(connection, namespace)
  const verifier = createVerifier()
  const grouped = (service: string): string => `${group}@@${service}`
  /** Whether the server still has the catalog, which leaves out services without instances. Nacos 3 does not have it. */
  let hasCatalog = true

  async function readCatalog(signal: AbortSignal): Promise<readonly string[]> {
    const services = await readPages<CatalogEntry>(async (pageNo, pageSize) => {
      const params = {
        hasIpCount: 'true',
        withInstances: 'false',
        pageNo: `${pageNo}`,
        pageSize: `${pageSize}`,
        groupNameParam: group,
      }
      const text = await sdk(signal)._reqAPI('/nacos/v1/ns/catalog/services', params, 'GET')
      const { count, serviceList } = parseJsonObject(text, 'the catalog of services')
      return { total: count, items: serviceList }
    })
    return services.filter(({ groupName, ipCount }) => groupName === group && ipCount > 0).map(({ name }) => name)
  }

  async function write(service: string, instance: NacosInstance, signal: AbortSignal): Promise<void> {
    await sdk(signal).registerService(grouped(service), group, instance)
  }

  async function listCatalog(signal: AbortSignal): Promise<readonly string[] | undefined> {
    if (!hasCatalog) return undefined
    try {
      return await readCatalog(signal)
    } catch (error) {
      if (!(error instanceof SdError) || error.retryable || !catalogIsClosed.has(error.code)) throw error
      hasCatalog = false
      return undefined
    }
  }

  return {
    write,
    async register(service, instance, signal) {
      const { ip, port, clusterName } = instance
      await write(service, instance, signal)
      const params = { serviceName: grouped(service), ip, port: String(port), clusterName }
      const again = await verifier.check(instance, async () =>
        parseJsonObject(await sdk(signal)._reqAPI('/nacos/v1/ns/instance', params, 'GET'), 'an instance'),
      )
      if (again) await write(service, again, signal)
    },
    async beat(service, instance, signal) {
      const params = { beat: describeBeat(grouped(service), instance), serviceName: grouped(service) }
      const text = await sdk(signal)._reqAPI('/nacos/v1/ns/instance/beat', params, 'PUT')
      return parseJsonObject(text, 'the response to a heartbeat')['code'] === 20_404 ? 'lost' : 'renewed'
    },
    async deregister(service, place, signal) {
      await sdk(signal).deregisterService(grouped(service), place)
    },
    async list(service, signal) {
      // Port 0: no UDP push.
      const text = await sdk(signal).queryList(grouped(service), clusters.join(','), 0, false)
      const { hosts } = parseJsonObject(text, `the list of ${service}`)
      if (!Array.isArray(hosts)) throw new SdError('SD_MALFORMED', `the list of ${service} without hosts`)
      return hosts
    },
    listCatalog,
    async listServices(signal) {
      const names = await listCatalog(signal)
      if (names) return names
      return readPages<string>(async (pageNo, pageSize) => {
        const { count, data } = await sdk(signal).getServiceList(pageNo, pageSize, group)
        return { total: count, items: data }
      })
    },
    async ping(signal) {
      await sdk(signal)._reqAPI('/nacos/v1/ns/operator/metrics', {}, 'GET')
    },
  }
}

/** The catalog belongs to Nacos' console. Newer servers do not have it, and some users may not read it. */
const catalogIsClosed: ReadonlySet<string> = new Set(['SD_UNSUPPORTED', 'SD_DENIED'])

interface CatalogEntry {
  readonly name: string
  readonly groupName: string
  readonly ipCount: number
}

/** The SDK's heartbeat contains the whole instance, so that a server that does not know it restores it. */
function describeBeat(serviceName: string, { ip, port, weight, clusterName, metadata }: NacosInstance): string {
  return JSON.stringify({ serviceName, ip, port, cluster: clusterName, weight, metadata, scheduled: false })
}
