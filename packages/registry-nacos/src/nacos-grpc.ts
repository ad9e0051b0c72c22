import type { NacosConnection, NacosGrpcSession } from '@sd/connection-nacos'
import { SdError, withTimeout } from '@sd/core'
import type { NacosApi } from './nacos-api.ts'
import type { ResolvedNacosRegistryOptions } from './options.ts'
import { readPages } from './pages.ts'
import { createPublications } from './publications.ts'
import { type CallNaming, createSubscriptions, readHosts } from './subscriptions.ts'

/** Ability of servers that accept persistent instances by gRPC. */
const persistentAbility = 'supportPersistentInstanceByGrpc'
/** Time for which the v1 API is not tried again once it did not respond, in milliseconds: its port may be closed. */
const withoutHttpMs = 60_000

/**
 * Creates the API by gRPC. The server removes the instances of a connection that it has lost, and pushes changes of
 * services.
 *
 * @param createV1 creates the v1 API, for what servers do better there: a list of services without empty ones, removing
 * instances of others, and on rnacos new metadata of an instance
 */
export function createGrpcApi(
  connection: NacosConnection,
  settings: ResolvedNacosRegistryOptions,
  createV1: () => NacosApi,
): NacosApi {
  const { namespace, group, clusters, persistent, operationTimeoutMs, name } = settings
  const grpc = connection.grpc('naming')
  const cluster = clusters.join(',')

  const call: CallNaming = (type, body, signal, session) => {
    const fields = { module: 'naming', namespace, groupName: group, ...body }
    return grpc.request({ type, body: fields, ...(session && { session }) }, signal)
  }
  let createdV1: NacosApi | undefined
  let httpFailedAt = Number.NEGATIVE_INFINITY
  function v1(): NacosApi {
    createdV1 ??= createV1()
    return createdV1
  }
  const publications = createPublications({
    call,
    session: (signal) => grpc.session(signal),
    replace: async (service, instance, signal) => v1().write?.(service, instance, signal),
    checkIntervalMs: 4 * settings.ttlMs,
    operationTimeoutMs,
    name,
  })

  const subscriptions = createSubscriptions({ grpc, call, namespace, group, clusters: cluster, operationTimeoutMs })

  async function callPersistent(type: string, service: string, instance: object, signal: AbortSignal): Promise<void> {
    const session = await grpc.session(signal)
    checkPersistent(session, name)
    await call('PersistentInstanceRequest', { serviceName: service, type, instance }, signal, session)
  }

  return {
    register(service, instance, signal) {
      if (instance.ephemeral) return publications.put(service, instance)
      return callPersistent('registerInstance', service, instance, signal)
    },
    // The server knows that an instance is alive by the connection.
    beat: async (service, instance, signal) => ((await publications.check(service, instance, signal)) ? 'renewed' : 'lost'),
    async deregister(service, place, signal) {
      if (!place.ephemeral) return callPersistent('deregisterInstance', service, place, signal)
      if (await publications.remove(service, place)) return
      // By gRPC only the instances of the own connection can be removed.
      await v1().deregister(service, place, signal)
    },
    async list(service, signal) {
      const body = { serviceName: service, cluster, healthyOnly: false, udpPort: 0 }
      return readHosts(service, (await call('ServiceQueryRequest', body, signal))['serviceInfo']).hosts
    },
    async listServices(signal) {
      if (performance.now() - httpFailedAt > withoutHttpMs) {
        const timeoutMs = operationTimeoutMs / 2
        const read = withTimeout({ timeoutMs, what: `${name} catalog`, signal }, async (inner) => v1().listCatalog?.(inner))
        const names = await read.catch((error: SdError) => {
          if (signal.aborted) throw error
          httpFailedAt = performance.now()
        })
        if (names) return names
      }
      return readPages<string>(async (pageNo, pageSize) => {
        const { count, serviceNames } = await call('ServiceListRequest', { serviceName: '', pageNo, pageSize }, signal)
        return { total: count, items: serviceNames ?? [] }
      })
    },
    async ping(signal) {
      const session = await grpc.session(signal)
      if (persistent) checkPersistent(session, name)
      await grpc.request({ type: 'HealthCheckRequest', body: { module: 'internal' }, session }, signal)
    },
    follow: subscriptions.follow,
    followServices: subscriptions.followServices,
    onLost: (listener) => grpc.onLost(listener),
  }
}

function checkPersistent(session: NacosGrpcSession, name: string): void {
  if (session.abilities.has(persistentAbility)) return
  throw new SdError('SD_UNSUPPORTED', `${name} does not accept persistent instances by gRPC: set api to v1 or v3`)
}
