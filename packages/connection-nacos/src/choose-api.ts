import { SdError, withTimeout } from '@sd/core'
import type { ResolvedNacosConnectionOptions } from './options.ts'

/** What an adapter does by either of Nacos' HTTP APIs. */
export interface NacosApis<Api> {
  /** By `/nacos/v1`. */
  v1(): Api
  /** By `/nacos/v3`. */
  v3(): Api
  /** Something that a server answers with success if it has the API. */
  probe(api: Api, signal: AbortSignal): Promise<unknown>
}

/** Runs an operation on the API that the server has. */
export type UseApi<Api> = <T>(operation: (api: Api) => Promise<T>) => Promise<T>

/** The API that the options name, or at first use the one that the server has. Asked anew when the server no longer has it. */
export function createApiChoice<Api>(settings: ResolvedNacosConnectionOptions, apis: NacosApis<Api>): UseApi<Api> {
  const { api, operationTimeoutMs, name } = settings
  let chosen: Api | undefined = api === 'auto' ? undefined : apis[api]()
  let probing: Promise<Api> | undefined
  let hasWorked = false

  async function probe(signal: AbortSignal): Promise<Api> {
    for (const version of ['v1', 'v3'] as const) {
      const candidate = apis[version]()
      try {
        await apis.probe(candidate, signal)
        return candidate
      } catch (error) {
        if (!isMissing(error)) throw error
      }
    }
    throw new SdError('SD_UNSUPPORTED', `${name} has neither /nacos/v1 nor /nacos/v3/client: is this a Nacos?`)
  }

  /** Many wait for it, so it ends with no single caller. */
  async function choose(): Promise<Api> {
    probing ??= withTimeout({ timeoutMs: operationTimeoutMs, what: `${name} probe` }, probe).finally(() => {
      probing = undefined
    })
    chosen = await probing
    return chosen
  }

  async function attempt<T>(operation: (api: Api) => Promise<T>): Promise<T> {
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

/** Whether an error says that the server does not have what was asked for. */
export function isMissing(error: unknown): error is SdError {
  return error instanceof SdError && error.code === 'SD_UNSUPPORTED'
}
