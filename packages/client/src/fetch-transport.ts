import { type Endpoint, SdError } from '@sd/core'
import type { Transport, TransportExchange, TransportHandler, TransportRequest } from './transport.ts'

/** How a failure to connect is called, by Node and by Bun. */
const notConnected: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'ConnectionRefused',
  'FailedToOpenSocket',
])

/** Options of {@link createFetchTransport}. */
export interface FetchTransportOptions {
  /** The fetch to use. @default the global one */
  readonly fetch?: typeof fetch
}

/**
 * Sends with `fetch`, for runtimes where undici is a stub, such as Bun. What fetch does is what you get: it decompresses always, keeps
 * its own connections, and sends the `host` of the address.
 */
export function createFetchTransport(options: FetchTransportOptions = {}): Transport {
  return {
    name: 'fetch',
    send(endpoint, request, handler) {
      const exchange = new FetchExchange(handler)
      void exchange.run(options.fetch ?? fetch, endpoint, request)
      return exchange
    },
    async close() {
      // fetch keeps its connections to itself.
    },
  }
}

class FetchExchange implements TransportExchange {
  readonly #handler: TransportHandler
  readonly #controller = new AbortController()
  #ended = false
  #resume: (() => void) | undefined

  constructor(handler: TransportHandler) {
    this.#handler = handler
  }

  async run(send: typeof fetch, endpoint: Endpoint, request: TransportRequest): Promise<void> {
    let answered = false
    try {
      const response = await send(`${endpoint.origin}${request.path}`, {
        method: request.method,
        headers: { ...request.headers },
        body: request.body as NonNullable<RequestInit['body']> | null,
        redirect: 'manual',
        signal: this.#controller.signal,
        duplex: 'half',
      } as RequestInit)
      if (this.#ended) return
      answered = true
      this.#handler.onSend()
      this.#handler.onResponse(response.status, readHeaders(response.headers))
      await this.#readBody(response)
      if (this.#finish()) this.#handler.onEnd()
    } catch (error) {
      // fetch doesn't say when it begins to send: unless the connection failed, the peer may have seen the request.
      if (!this.#ended && !answered && !isNotConnected(error)) this.#handler.onSend()
      this.#fail(new SdError('SD_UNAVAILABLE', (error as Error).message, { cause: error }))
    }
  }

  abort(reason: SdError): void {
    this.#fail(reason)
    this.#controller.abort(reason)
    this.#resume?.()
  }

  resume(): void {
    this.#resume?.()
  }

  async #readBody(response: Response): Promise<void> {
    const reader = response.body?.getReader()
    if (!reader) return
    for (;;) {
      const { done, value } = await reader.read()
      if (done || this.#ended) return
      if (this.#handler.onData(value)) continue
      await new Promise<void>((resolve) => {
        this.#resume = resolve
      })
    }
  }

  #finish(): boolean {
    if (this.#ended) return false
    this.#ended = true
    return true
  }

  #fail(error: SdError): void {
    if (this.#finish()) this.#handler.onError(error)
  }
}

function readHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const fields: Record<string, string | readonly string[]> = {}
  for (const [name, value] of headers) fields[name] = value
  const cookies = headers.getSetCookie()
  if (cookies.length > 1) fields['set-cookie'] = cookies
  return fields
}

function isNotConnected(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } }
  return notConnected.has(code) || notConnected.has(cause?.code)
}
