import { sleep, toSdError } from '@sd/core'
import type { ISnapshot } from 'nacos'
import type { NacosConnection } from './nacos-connection.ts'
import type { NacosRequest } from './nacos-http.ts'
import { isNoConfig } from './server-texts.ts'

/** Options of {@link listenToConfigs}. */
export interface ConfigListenerOptions {
  /** Id of the namespace. */
  readonly namespace: string
  /** What is listened to. */
  readonly places: readonly { readonly dataId: string; readonly group: string }[]
  /** Called when one of them was there for the first time, has changed, or is gone. It must not throw. */
  readonly onChange: () => void
  /** Ends it. */
  readonly signal: AbortSignal
}

interface SdkRequest {
  readonly method?: NacosRequest['method']
  readonly data: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Longer than the server holds the request back. */
  readonly timeout?: number
}

/** A poll that the server answers sooner than this, in milliseconds, counts as quick. */
const quickPollMs = 200
/** After so many quick polls in a row each one waits: the server does not hold them back, or its MD5 is not that of the text. */
const maxQuickPolls = 5
/** Our connection chooses the server; the SDK wants one nevertheless. */
const anyServer = 'nacos:8848'
const silent = (): void => undefined

/** The SDK keeps every text in the user's home, readable by all, and serves it when the server fails. */
function createNoSnapshot(): ISnapshot {
  const nothing = async (): Promise<null> => null
  const snapshot = { cacheDir: '', get: nothing, save: nothing, delete: nothing, batchSave: nothing, on: silent }
  return snapshot
}

/**
 * One session of listening, by the long poll of the SDK's `DataClient` over our connection. Resolves when `signal` fires.
 *
 * @throws SdError at the first sign of trouble, where the SDK alone would go on without saying so
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

  /** An error that reached the SDK would be repeated without a pause, or thrown where nobody catches it. So it ends the session here. */
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
