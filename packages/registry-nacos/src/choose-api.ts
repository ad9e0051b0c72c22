import { SdError, withTimeout } from '@sd/core'
import type { NacosApi } from './nacos-api.ts'
import type { NacosConnection } from './nacos-connection.ts'
import { createV1Api } from './nacos-v1.ts'
import { createV3Api, listThroughAdmin } from './nacos-v3.ts'
import type { NacosSettings } from './options.ts'

/** Runs an operation on the API that the server has. */
export type UseApi = <T>(operation: (api: NacosApi) => Promise<T>) => Promise<T>

/** The API that the options name, or at first use the one that the server has. Asked anew when the server no longer has it. */
export function createApiChoice(connection: NacosConnection, settings: NacosSettings): UseApi {
  const { api, adminApi, operationTimeoutMs, name } = settings
  const make = { v1: () => withAdmin(createV1Api(connection, settings)), v3: () => createV3Api(connection, settings) }
  let chosen: NacosApi | undefined = api === 'auto' ? undefined : make[api]()
  let probing: Promise<NacosApi> | undefined
  let hasWorked = false

  /** The v1 list of Nacos 3 holds empty services too, for a minute: the admin API is better, where there is one. */
  function withAdmin(v1: NacosApi): NacosApi {
    if (!adminApi) return v1
    return {
      ...v1,
      listServices: (signal) =>
        listThroughAdmin(connection, settings, signal).catch((error: unknown) => {
          if (isMissing(error) && v1.listServices) return v1.listServices(signal)
          throw error
        }),
    }
  }

  async function probe(signal: AbortSignal): Promise<NacosApi> {
    for (const version of ['v1', 'v3'] as const) {
      const candidate = make[version]()
      try {
        await candidate.list('sd.probe', signal)
        return candidate
      } catch (error) {
        if (!isMissing(error)) throw error
      }
    }
    throw new SdError('SD_UNSUPPORTED', `${name} has neither /nacos/v1/ns nor /nacos/v3/client: is this a Nacos?`)
  }

  /** Many wait for it, so it ends with no single caller. */
  async function choose(): Promise<NacosApi> {
    probing ??= withTimeout({ timeoutMs: operationTimeoutMs, what: `${name} probe` }, probe).finally(() => {
      probing = undefined
    })
    chosen = await probing
    return chosen
  }

  async function attempt<T>(operation: (api: NacosApi) => Promise<T>): Promise<T> {
    if (!chosen) return operation(await choose())
    try {
      return await operation(chosen)
    } catch (error) {
      if (api !== 'auto' || !isMissing(error)) throw error
      // The server was replaced by one of another version.
      return operation(await choose())
    }
  }

  return async (operation) => {
    try {
      const result = await attempt(operation)
      hasWorked = true
      return result
    } catch (error) {
      if (!hasWorked || !isMissing(error)) throw error
      // So answers a gateway whose Nacos is away.
      throw new SdError('SD_UNAVAILABLE', `${name} is not behind its address now: ${error.message}`, { cause: error })
    }
  }
}

function isMissing(error: unknown): error is SdError {
  return SdError.isInstance(error) && error.code === 'SD_UNSUPPORTED'
}
