import { Readable } from 'node:stream'
import { type Endpoint, type HeaderFields, SdError } from '@sd/core'
import { Agent, type Dispatcher, interceptors } from 'undici'
import type { Transport, TransportExchange, TransportHandler, TransportRequest } from './transport.ts'

/** Options of {@link createUndiciTransport}. */
export interface UndiciTransportOptions {
  /** Most connections to one endpoint. @default 128 */
  readonly connections?: number
  /** How long an idle connection is kept, in milliseconds; below the 5 s of a Node server, which else closes it under a request. @default 4_000 */
  readonly keepAliveTimeoutMs?: number
  /** How long making a connection may take, in milliseconds. @default 3_000 */
  readonly connectTimeoutMs?: number
  /** Whether HTTP/2 is offered over TLS. @default false */
  readonly allowH2?: boolean
  /** Whether compressed answers are asked for and decompressed. @default false */
  readonly decompress?: boolean
  /** A dispatcher of your own instead of an owned Agent; then the other connection options don't count, and it is not closed. */
  readonly dispatcher?: Dispatcher
}

/** A transport over undici. */
export interface UndiciTransport extends Transport {
  /** What it sends with. */
  readonly dispatcher: Dispatcher
}

/** Sends over undici with one owned Agent. Deadlines are the client's: undici's own time limits for head and body are off. */
export function createUndiciTransport(options: UndiciTransportOptions = {}): UndiciTransport {
  const owned = options.dispatcher ? undefined : createAgent(options)
  const base = options.dispatcher ?? owned
  const dispatcher = (options.decompress ? base?.compose(interceptors.decompress()) : base) as Dispatcher
  return {
    name: 'undici',
    dispatcher,
    send: (endpoint, request, handler) => new UndiciExchange(dispatcher, { endpoint, request, handler }),
    async close() {
      if (owned && !owned.destroyed) await owned.destroy()
    },
  }
}

function createAgent(options: UndiciTransportOptions): Agent {
  return new Agent({
    connections: options.connections ?? 128,
    keepAliveTimeout: options.keepAliveTimeoutMs ?? 4_000,
    keepAliveMaxTimeout: options.keepAliveTimeoutMs ?? 4_000,
    allowH2: options.allowH2 ?? false,
    connect: { timeout: options.connectTimeoutMs ?? 3_000 },
  })
}

interface ExchangeInit {
  readonly endpoint: Endpoint
  readonly request: TransportRequest
  readonly handler: TransportHandler
}

/** One exchange; undici's handler and ours in one object. */
class UndiciExchange implements TransportExchange, Dispatcher.DispatchHandler {
  readonly #handler: TransportHandler
  #controller: Dispatcher.DispatchController | undefined
  #ended = false

  constructor(dispatcher: Dispatcher, { endpoint, request, handler }: ExchangeInit) {
    this.#handler = handler
    const { method, path, headers, body } = request
    try {
      dispatcher.dispatch(
        {
          origin: endpoint.origin,
          path,
          method,
          headers,
          body: typeof body === 'string' || body instanceof Uint8Array || body === null ? body : Readable.from(body),
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        this,
      )
    } catch (error) {
      queueMicrotask(() => this.#end(toTransportError(error as Error)))
    }
  }

  abort(reason: SdError): void {
    if (this.#ended) return
    // Settle now: undici tells of an abort only when it has a connection, which can take as long as connecting may.
    this.#end(reason)
    this.#controller?.abort(reason)
  }

  resume(): void {
    this.#controller?.resume()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#ended) {
      controller.abort(new SdError('SD_ABORTED', 'The call has ended'))
      return
    }
    this.#controller = controller
    this.#handler.onSend()
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: HeaderFields): void {
    if (!this.#ended && status >= 200) this.#handler.onResponse(status, headers)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (!this.#ended && !this.#handler.onData(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#ended) return
    this.#ended = true
    this.#handler.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end(toTransportError(error), wasRefused(error) ? false : undefined)
  }

  #end(error: SdError, wasSent?: boolean): void {
    if (this.#ended) return
    this.#ended = true
    this.#handler.onError(error, wasSent)
  }
}

function toTransportError(error: Error & { code?: unknown }): SdError {
  if (SdError.isInstance(error)) return error
  const code = typeof error.code === 'string' ? error.code : ''
  const message = error.message === '' ? code : error.message
  if (code === 'UND_ERR_INVALID_ARG') return new SdError('SD_INVALID', message, { cause: error })
  if (code.startsWith('HPE_')) return new SdError('SD_MALFORMED', `The answer is no HTTP: ${message}`, { cause: error })
  return new SdError('SD_UNAVAILABLE', message, { cause: error })
}

const connectErrors: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * Whether the peer did not take the request. undici repeats by itself what an HTTP/2 server refused with GOAWAY, once: it has begun then, and
 * yet failed to connect, or it was refused again.
 */
function wasRefused({ code, message }: Error & { code?: unknown }): boolean {
  return (
    connectErrors.has(code) || (code === 'UND_ERR_INFO' && message.startsWith('HTTP/2: "GOAWAY"') && message.endsWith('code 0'))
  )
}
