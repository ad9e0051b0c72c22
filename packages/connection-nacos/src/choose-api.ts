import { SdError, toSdError, withTimeout } from '@sd/core'
import type { ResolvedNacosConnectionOptions } from './options.ts'

/** Implementations of an adapter for Nacos' APIs. */
export interface NacosApis<Api> {
  /** Implementation for gRPC. */
  grpc(): Api
  /** Implementation for `/nacos/v1`. */
  v1(): Api
  /** Implementation for `/nacos/v3`. */
  v3(): Api
  /** A request that succeeds if the server has the API. */
  probe(api: Api, signal: AbortSignal): Promise<unknown>
}

/** Runs an operation on the API that the server has. */
export type UseApi<Api> = <T>(operation: (api: Api) => Promise<T>) => Promise<T>

/** Order of preference. */
const preference = ['grpc', 'v1', 'v3'] as const
/** Part of the time limit in which the gRPC port must respond. Otherwise it may be closed by a firewall, and HTTP is tried. */
const grpcShare = 0.4

/** Uses the API that the options name, or detects it at first use. Detects it again when the server no longer has it. */
export function createApiChoice<Api>(settings: ResolvedNacosConnectionOptions, apis: NacosApis<Api>): UseApi<Api> {
  const { api, operationTimeoutMs, name } = settings
  let chosen: Api | undefined = api === 'auto' ? undefined : apis[api]()
  let probing: Promise<Api> | undefined
  let hasWorked = false

  async function probe(signal: AbortSignal): Promise<Api> {
    let unreachable: SdError | undefined
    for (const version of preference) {
      const candidate = apis[version]()
      const timeoutMs = version === 'grpc' ? operationTimeoutMs * grpcShare : undefined
      try {
        await withTimeout({ timeoutMs, what: `${name} probe by ${version}`, signal }, (inner) => apis.probe(candidate, inner))
        return candidate
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', `${name} probe`)
        // After a refused login another API would be refused too.
        if (version === 'grpc' && error.retryable && error.code !== 'SD_DENIED' && !signal.aborted) unreachable = error
        else if (!isMissing(error)) throw error
      }
    }
    if (unreachable) throw unreachable
    throw new SdError('SD_UNSUPPORTED', `${name} has neither gRPC nor /nacos/v1 nor /nacos/v3/client; is this a Nacos server?`)
  }

  /** Shared by several callers, so it does not end with one of them. */
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
      // A gateway responds like this while its Nacos is unreachable.
      throw new SdError('SD_UNAVAILABLE', `${name} is not available at its address: ${error.message}`, { cause: error })
    }
  }
}

/** Whether an error means that the server does not have the requested path. */
export function isMissing(error: unknown): error is SdError {
  return error instanceof SdError && error.code === 'SD_UNSUPPORTED'
}
