import { parseJsonObject } from '@sd/adapter-kit'
import type { NacosConnection, NacosRequest } from '@sd/connection-nacos'
import { SdError } from '@sd/core'
import type { NacosInstance, NacosInstanceKey } from './instance-codec.ts'
import type { NacosApi } from './nacos-api.ts'
import type { ResolvedNacosRegistryOptions } from './options.ts'
import { readPages } from './pages.ts'

const instancePath = '/nacos/v3/client/ns/instance'

/** Code for a heartbeat of an instance that the server does not know. */
const instanceNotFound = 21_003

/** Creates the client API of Nacos 3, for which there is no SDK. */
export function createV3Api(connection: NacosConnection, settings: ResolvedNacosRegistryOptions): NacosApi {
  const { namespace, group, clusters, name } = settings

  async function call(request: NacosRequest, signal: AbortSignal): Promise<V3Response> {
    const text = await connection.send(request, signal)
    const { code, message, data } = parseJsonObject(text, `the response of ${name}`)
    return { code, data, message: String(message) }
  }
  const instanceOf = (service: string, { ip, port, clusterName, ephemeral }: NacosInstanceKey): Record<string, string> => ({
    namespaceId: namespace,
    groupName: group,
    serviceName: service,
    ip,
    port: String(port),
    clusterName,
    ephemeral: String(ephemeral),
  })

  async function list(service: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const params = {
      namespaceId: namespace,
      groupName: group,
      serviceName: service,
      // Without this parameter the server uses DEFAULT; an empty list selects all clusters.
      clusterName: clusters.join(',') || ',',
    }
    const data = succeed(await call({ method: 'GET', path: `${instancePath}/list`, params }, signal), name)
    if (!Array.isArray(data)) throw new SdError('SD_MALFORMED', `a list of ${service} that is not an array`)
    return data
  }

  return {
    async register(service, instance, signal) {
      const { weight, healthy, enabled, metadata } = instance
      const params = {
        ...instanceOf(service, instance),
        weight: String(weight),
        healthy: String(healthy),
        enabled: String(enabled),
        metadata: JSON.stringify(metadata),
      }
      succeed(await call({ method: 'POST', path: instancePath, params }, signal), name)
    },
    async beat(service, instance: NacosInstance, signal) {
      const params = { ...instanceOf(service, instance), heartBeat: 'true' }
      const response = await call({ method: 'POST', path: instancePath, params }, signal)
      if (response.code === instanceNotFound) return 'lost'
      succeed(response, name)
      return 'renewed'
    },
    async deregister(service, place, signal) {
      succeed(await call({ method: 'DELETE', path: instancePath, params: instanceOf(service, place) }, signal), name)
    },
    list,
    ...(settings.adminApi && { listServices: (signal: AbortSignal) => listThroughAdmin(connection, settings, signal) }),
    async ping(signal) {
      await list('sd.ping', signal)
    },
  }
}

/** Lists the names of services that have instances, through the admin API of Nacos 3. */
export async function listThroughAdmin(
  connection: NacosConnection,
  { namespace, group, name }: ResolvedNacosRegistryOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const services = await readPages<ListedService>(async (pageNo, pageSize) => {
    const params = {
      namespaceId: namespace,
      groupNameParam: group,
      ignoreEmptyService: 'true',
      pageNo: String(pageNo),
      pageSize: String(pageSize),
    }
    const text = await connection.send({ method: 'GET', path: '/nacos/v3/admin/ns/service/list', params }, signal)
    const { code, data, message } = parseJsonObject(text, 'the list of services')
    const { totalCount, pageItems } = (succeed({ code, data, message: String(message) }, name) ?? {}) as Record<string, unknown>
    return { total: totalCount, items: pageItems }
  })
  return services.filter(({ groupName }) => groupName === group).map((service) => service.name)
}

interface V3Response {
  readonly code: unknown
  readonly data: unknown
  readonly message: string
}

interface ListedService {
  readonly name: string
  readonly groupName: string
}

/** Returns the data of a response whose code is success. */
function succeed({ code, data, message }: V3Response, name: string): unknown {
  if (code === 0) return data
  throw new SdError('SD_UNAVAILABLE', `${name} returned code ${String(code)}: ${message}`)
}
