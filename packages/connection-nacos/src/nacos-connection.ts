import type { ServerAddress } from '@sd/adapter-kit'
import { closedError, withTimeout } from '@sd/core'
import { readError, toNacosError } from './nacos-error.ts'
import { createNacosHttp, type NacosRequest, type NacosResponse } from './nacos-http.ts'
import { createNacosLogin } from './nacos-login.ts'
import type { ResolvedNacosConnectionOptions } from './options.ts'

/** Sends requests to whichever server answers, logged in if there are credentials. */
export interface NacosConnection {
  /**
   * Sends a request and returns the body of its success.
   *
   * @throws SdError that says what the failure means
   */
  send(request: NacosRequest, signal: AbortSignal): Promise<string>
  /** Sends a request and returns its success with status and headers, or what it `accepts` besides. @throws as `send` */
  exchange(request: NacosExchange, signal: AbortSignal): Promise<NacosResponse>
  /** Destroys every connection. */
  close(): void
}

/** A request with limits of its own. */
export interface NacosExchange extends NacosRequest {
  /** Whether a response with the status of a failure is an answer nevertheless. @default none is */
  readonly accepts?: (response: NacosResponse) => boolean
  /** Limit at one server, in milliseconds. @default `operationTimeoutMs`, shared by all servers */
  readonly timeoutMs?: number
}

/** Opens nothing yet: the first request does. */
export function createNacosConnection(settings: ResolvedNacosConnectionOptions): NacosConnection {
  const { servers, credentials, operationTimeoutMs, name } = settings
  const http = createNacosHttp(settings.tls)
  const shareMs = operationTimeoutMs / servers.length
  const login = credentials && createNacosLogin({ http, credentials, timeoutMs: shareMs, name })
  /** Place of the server that answered last. */
  let preferred = 0
  let closed = false

  async function sendTo(endpoint: ServerAddress, request: NacosRequest, signal: AbortSignal): Promise<NacosResponse> {
    if (!login) return http.send(endpoint, request, signal)
    const token = await login.token(endpoint)
    const response = await http.send(endpoint, withToken(request, token), signal)
    if (readError(name, response)?.code !== 'SD_DENIED') return response
    // The token ended before its time, or the server forgot it: once more with a fresh one.
    login.forget(token)
    return http.send(endpoint, withToken(request, await login.token(endpoint)), signal)
  }

  async function exchange(request: NacosExchange, signal: AbortSignal): Promise<NacosResponse> {
    const { accepts, timeoutMs = shareMs } = request
    const first = preferred
    const what = `${name} ${request.method} ${request.path}`
    for (let tried = 1; ; tried++) {
      if (closed) throw closedError(name)
      const place = (first + tried - 1) % servers.length
      try {
        const response = await withTimeout({ timeoutMs, what, signal }, (inner) =>
          sendTo(servers[place] as ServerAddress, request, inner),
        )
        const failure = accepts?.(response) ? undefined : readError(name, response, request.params)
        if (failure) throw failure
        preferred = place
        return response
      } catch (caught) {
        const error = toNacosError(name, caught)
        if (!error.retryable || tried === servers.length) throw error
      }
    }
  }

  return {
    send: async (request, signal) => (await exchange(request, signal)).text,
    exchange,
    close() {
      closed = true
      http.close()
    },
  }
}

function withToken(request: NacosRequest, token: string): NacosRequest {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } }
}
