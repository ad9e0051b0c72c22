import { createApiChoice, isMissing, type NacosConnection, type UseApi } from '@sd/connection-nacos'
import type { NacosApi } from './nacos-api.ts'
import { createV1Api } from './nacos-v1.ts'
import { createV3Api, listThroughAdmin } from './nacos-v3.ts'
import type { ResolvedNacosRegistryOptions } from './options.ts'

/** Returns the API that the options name, or the one that the server has. */
export function chooseApi(connection: NacosConnection, settings: ResolvedNacosRegistryOptions): UseApi<NacosApi> {
  /** The v1 list of Nacos 3 contains empty services for a minute, so use the admin API where it is available. */
  function withAdmin(v1: NacosApi): NacosApi {
    if (!settings.adminApi) return v1
    return {
      ...v1,
      listServices: (signal) =>
        listThroughAdmin(connection, settings, signal).catch((error: unknown) => {
          if (isMissing(error) && v1.listServices) return v1.listServices(signal)
          throw error
        }),
    }
  }

  return createApiChoice<NacosApi>(settings, {
    v1: () => withAdmin(createV1Api(connection, settings)),
    v3: () => createV3Api(connection, settings),
    probe: (api, signal) => api.list('sd.probe', signal),
  })
}
