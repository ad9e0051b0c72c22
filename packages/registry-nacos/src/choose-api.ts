import { createApiChoice, isMissing, type NacosConnection, type UseApi } from '@sd/connection-nacos'
import type { SdError } from '@sd/core'
import type { NacosApi } from './nacos-api.ts'
import { createGrpcApi } from './nacos-grpc.ts'
import { createV1Api } from './nacos-v1.ts'
import { createV3Api, listThroughAdmin } from './nacos-v3.ts'
import type { ResolvedNacosRegistryOptions } from './options.ts'

/** Returns the API that the options name, or the one that the server has. @param onLost called when the server has lost what was registered */
export function chooseApi(
  connection: NacosConnection,
  settings: ResolvedNacosRegistryOptions,
  onLost: (error: SdError) => void = () => undefined,
): UseApi<NacosApi> {
  function withLoss(api: NacosApi): NacosApi {
    api.onLost?.(onLost)
    return api
  }

  /** The list of Nacos 3 contains empty services for a minute, so use the admin API where it is available. */
  function withAdmin(api: NacosApi): NacosApi {
    if (!settings.adminApi) return api
    return {
      ...api,
      listServices: (signal) =>
        listThroughAdmin(connection, settings, signal).catch((error: unknown) => {
          if (isMissing(error) && api.listServices) return api.listServices(signal)
          throw error
        }),
    }
  }

  return createApiChoice<NacosApi>(settings, {
    grpc: () => withLoss(withAdmin(createGrpcApi(connection, settings, () => createV1Api(connection, settings)))),
    v1: () => withAdmin(createV1Api(connection, settings)),
    v3: () => createV3Api(connection, settings),
    probe: (api, signal) => (api.follow ? api.ping(signal) : api.list('sd.probe', signal)),
  })
}
