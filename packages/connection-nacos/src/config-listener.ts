import { sleep, toSdError } from '@sd/core'
import type { ISnapshot } from 'nacos'
import type { NacosConnection } from './nacos-connection.ts'
import type { NacosRequest } from './nacos-http.ts'
import { isNoConfig } from './server-texts.ts'

/** Options of {@link listenToConfigs}. */
export interface ConfigListenerOptions {
  /** Id of the namespace. */
  readonly namespace: string
  /** Configurations to listen to. */
  readonly places: readonly { readonly dataId: string; readonly group: string }[]
  /** Called when one of them is created, changed or removed. It must not throw. */
  readonly onChange: () => void
  /** Ends listening when it aborts. */
  readonly signal: AbortSignal
}

interface SdkRequest {
  readonly method?: NacosRequest['method']
  readonly data: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Longer than the server holds the request. */
  readonly timeout?: number
}

/** A poll that the server responds to sooner than this, in milliseconds, is quick. */
const quickPollMs = 200
/**
 * After this number of consecutive quick polls each one waits: the server does not hold them, or computes another MD5.
 */
const maxQuickPolls = 5
/** Our connection selects the server, but the SDK requires one. */
const anyServer = 'nacos:8848'
const silent = (): void => undefined

/** The SDK stores every text in the user's home, readable by everyone, and returns it when the server fails. */
function createNoSnapshot(): ISnapshot {
  const nothing = async (): Promise<null> => null
  const snapshot = { cacheDir: '', get: nothing, save: nothing, delete: nothing, batchSave: nothing, on: silent }
  return snapshot
}

/**
 * Runs one session of listening, with the long poll of the SDK's `DataClient` over our connection. Resolves when
 * `signal` aborts.
 *
 * @throws SdError for the first error, which the SDK alone would hide
 */
export async function listenToConfigs(connection: NacosConnection, options: ConfigListenerOptions): Promise<void> {
  const { namespace, places, onChange, signal } = options
  const { DataClient } = await import('nacos')
  const ended = Promise.withResolvers<void>()
  let polledAt = Number.NEGATIVE_INFINITY
  let quickPolls = 0

  async function pace(): Promise<void> {
    quickPolls = performance.now() - polledAt < quickPollMs ? quickPolls + 1 : 0
    if (quickPolls > maxQuickPolls) await sleep(quickPollMs, signal, true)
    polledAt = performance.now()
  }

  /**
   * The SDK would repeat after an error without a pause, or throw it where it can't be caught. So it ends the session
   * here.
   */
  async function request(path: string, { method = 'GET', data, headers, timeout }: SdkRequest): Promise<string | null> {
    try {
      if (method === 'POST') await pace()
      const params: Record<string, string> = {}
      for (const [key, value] of Object.entries(data)) if (value) params[key] = value
      const exchange = {
        method,
        path: `/nacos${path}`,
        params,
        ...(headers && { headers }),
        ...(timeout && { timeoutMs: timeout }),
      }
      const { status, text } = await connection.exchange({ ...exchange, accepts: isNoConfig }, signal)
      return status === 404 ? null : text
    } catch (error) {
      client.close()
      ended.reject(toSdError(error, 'SD_UNAVAILABLE', 'the long poll ended'))
      return ''
    }
  }

  class Client extends DataClient {
    protected override getSnapshot(): ISnapshot {
      return createNoSnapshot()
    }
  }
  class Agent {
    request = request
  }
  const client = new Client({ serverAddr: anyServer, namespace: namespace === 'public' ? '' : namespace, httpAgent: Agent })
  const close = (): void => {
    client.close()
    ended.resolve()
  }
  signal.addEventListener('abort', close, { once: true })
  if (signal.aborted) close()
  else for (const place of places) client.subscribe(place, onChange)
  return ended.promise.finally(() => signal.removeEventListener('abort', close))
}
