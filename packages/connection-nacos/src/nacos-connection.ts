import type { ServerAddress } from '@sd/adapter-kit'
import { closedError, withTimeout } from '@sd/core'
import { createNacosGrpc, type NacosGrpc } from './grpc/grpc-connection.ts'
import { readError, toNacosError } from './nacos-error.ts'
import { createNacosHttp, type NacosRequest, type NacosResponse } from './nacos-http.ts'
import { createNacosLogin } from './nacos-login.ts'
import type { ResolvedNacosConnectionOptions } from './options.ts'

/** Sends requests to a server that responds, with a login if there are credentials. */
export interface NacosConnection {
  /**
   * Sends a request and returns the body of a successful response.
   *
   * @throws SdError that describes the failure
   */
  send(request: NacosRequest, signal: AbortSignal): Promise<string>
  /**
   * Sends a request and returns a successful response with status and headers, or one that `accepts` allows. @throws as
   * `send`
   */
  exchange(request: NacosExchange, signal: AbortSignal): Promise<NacosResponse>
  /**
   * The connection by gRPC, which shares the login. Opens nothing until its first request.
   *
   * @param module what it is used for, as a label on the server: `naming` or `config`; that of the first call
   */
  grpc(module: 'naming' | 'config'): NacosGrpc
  /** Destroys every connection. */
  close(): void
}

/** A request with its own limits. */
export interface NacosExchange extends NacosRequest {
  /** Whether to return a response with a failure status instead of throwing. @default none */
  readonly accepts?: (response: NacosResponse) => boolean
  /** Time limit at one server, in milliseconds. @default `operationTimeoutMs`, shared by all servers */
  readonly timeoutMs?: number
}

/** Creates a connection. Opens nothing until the first request. */
export function createNacosConnection(settings: ResolvedNacosConnectionOptions): NacosConnection {
  const { servers, credentials, operationTimeoutMs, name } = settings
  const http = createNacosHttp(settings.tls)
  const shareMs = operationTimeoutMs / servers.length
  const login = credentials && createNacosLogin({ http, credentials, timeoutMs: shareMs, name })
  /** Index of the server that responded last. */
  let preferred = 0
  let closed = false
  let grpc: NacosGrpc | undefined

  async function sendTo(endpoint: ServerAddress, request: NacosRequest, signal: AbortSignal): Promise<NacosResponse> {
    if (!login) return http.send(endpoint, request, signal)
    const token = await login.token(endpoint)
    const response = await http.send(endpoint, withToken(request, token), signal)
    if (readError(name, response)?.code !== 'SD_DENIED') return response
    // The token has expired or the server no longer knows it: try once more with a new one.
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
    grpc(module) {
      if (closed) throw closedError(name)
      grpc ??= createNacosGrpc({ settings, login, module })
      return grpc
    },
    close() {
      closed = true
      grpc?.close()
      http.close()
    },
  }
}

function withToken(request: NacosRequest, token: string): NacosRequest {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } }
}
