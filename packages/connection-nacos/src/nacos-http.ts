import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { ServerAddress } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import { closeIdleConnections, createTlsSource, followAgentCertificates, type TlsCertificates, type TlsOptions } from '@sd/tls'

/** A call of Nacos' HTTP API. */
export interface NacosRequest {
  /** HTTP method. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path without query. */
  readonly path: string
  /** Parameters: a form in the body for POST and PUT, else the query. */
  readonly params: Readonly<Record<string, string>>
  /** Additional headers. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Response of a server. */
export interface NacosResponse {
  /** HTTP status. */
  readonly status: number
  /** Headers, with names in lower case. */
  readonly headers: IncomingHttpHeaders
  /** The body. */
  readonly text: string
}

/** Sends requests over its own connections. */
export interface NacosHttp {
  /** Sends a request to one server. Rejects with the error of the socket. */
  send(endpoint: ServerAddress, request: NacosRequest, signal: AbortSignal): Promise<NacosResponse>
  /** Destroys every connection. */
  close(): void
}

/** Maximum number of concurrent requests to one server; more requests wait. */
const maxSockets = 32
const maxResponseBytes = 67_108_864

/** Creates the requests. Opens no connection yet. */
export function createNacosHttp(tls: TlsOptions | undefined): NacosHttp {
  const agentOptions = { keepAlive: true, maxSockets, scheduling: 'lifo' } as const
  const source = tls && createTlsSource(tls)
  const plain = new HttpAgent(agentOptions)
  const secure = new HttpsAgent({ ...agentOptions, ...(tls?.serverName && { servername: tls.serverName }) })
  const certificates = followAgentCertificates(secure, source)

  function open({ secure: isSecure, host, port }: ServerAddress, request: NacosRequest, signal: AbortSignal): Exchange {
    const hasBody = request.method === 'POST' || request.method === 'PUT'
    const encoded = hasBody ? encodeForm(request.params) : new URLSearchParams(request.params).toString()
    const options: RequestOptions & TlsCertificates = {
      method: request.method,
      host,
      port,
      path: hasBody ? request.path : `${request.path}?${encoded}`,
      agent: isSecure ? secure : plain,
      ...(isSecure && certificates.latest),
      signal,
      headers: {
        ...request.headers,
        ...(hasBody && {
          'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
          'content-length': Buffer.byteLength(encoded),
        }),
      },
    }
    const sent = (isSecure ? httpsRequest : httpRequest)(options)
    sent.end(hasBody ? encoded : undefined)
    return sent
  }

  return {
    async send(endpoint, request, signal) {
      if (endpoint.secure) await certificates.refresh()
      signal.throwIfAborted()
      const sent = open(endpoint, request, signal)
      try {
        return await receive(sent)
      } catch (error) {
        // They may have been replaced together with the server's.
        source?.forget()
        // No response arrived, so idle connections to this server are probably dead too.
        if (signal.aborted) closeIdleConnections(endpoint.secure ? secure : plain)
        // The server closed an idle connection at that moment. All requests of this API are idempotent.
        if (signal.aborted || !sent.reusedSocket || (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
        return receive(open(endpoint, request, signal))
      }
    },
    close() {
      plain.destroy()
      secure.destroy()
    },
  }
}

/**
 * Encodes a form and escapes only the characters that must be. Official servers drop a form of more than 2 MiB, and a
 * fully escaped text of 1 MiB can be three times as large.
 */
function encodeForm(params: NacosRequest['params']): string {
  const encode = (text: string): string => text.replace(/[%&+=\s]|\p{Cc}/gu, encodeURIComponent).replaceAll('%20', '+')
  return Object.entries(params)
    .map(([name, value]) => `${name}=${encode(value)}`)
    .join('&')
}

type Exchange = ReturnType<typeof httpRequest>

function receive(sent: Exchange): Promise<NacosResponse> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxResponseBytes)
          sent.destroy(new SdError('SD_TOO_LARGE', `a response of more than ${maxResponseBytes} bytes`))
        else chunks.push(chunk)
      })
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, text: Buffer.concat(chunks).toString() })
      })
    })
  })
}
