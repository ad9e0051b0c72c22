import type { Duplex } from 'node:stream'
import { type Endpoint, type HeaderFields, SdError } from '@sd/core'
import type { Dispatcher } from 'undici'
import { hasName } from '../message/raw-headers.ts'
import { PushedStream, UploadStream } from '../message/upload.ts'
import type { TransportExchange, TransportHandler, TransportRequest } from './transport.ts'
import { toTransportFailure } from './transport-errors.ts'

/** One exchange: undici's handler and ours in one object. */
export class UndiciExchange implements TransportExchange, Dispatcher.DispatchHandler {
  readonly #handler: TransportHandler
  #controller: Dispatcher.DispatchController | undefined
  #pushed: PushedStream | undefined
  #upload: UploadStream | undefined
  #ended = false

  constructor(handler: TransportHandler) {
    this.#handler = handler
  }

  /** Sends the request. */
  start(dispatcher: Dispatcher, endpoint: Endpoint, request: TransportRequest): void {
    const { method, path, upgrade, serverName } = request
    try {
      const options: Dispatcher.DispatchOptions & { servername?: string } = {
        origin: endpoint.origin,
        path,
        method,
        headers: withoutTe(fitRawLength(request)) ?? fitLength(request),
        body: this.#bodyOf(request),
        headersTimeout: 0,
        bodyTimeout: 0,
      }
      if (upgrade !== undefined) options.upgrade = upgrade
      if (serverName !== undefined) options.servername = serverName
      dispatcher.dispatch(options, this)
    } catch (error) {
      queueMicrotask(() => this.#fail(error))
    }
  }

  get rawHeaders(): readonly string[] {
    return toTexts(this.#controller?.rawHeaders)
  }

  get rawTrailers(): readonly string[] {
    return toTexts(this.#controller?.rawTrailers)
  }

  write(chunk: Uint8Array): boolean {
    return this.#ended || this.#pushed === undefined || this.#pushed.write(chunk)
  }

  end(): void {
    if (!this.#ended) this.#pushed?.end()
  }

  abort(reason: SdError): void {
    if (this.#ended) return
    // Settle now: undici reports an abort only once it has a connection, which can take as long as connecting may.
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

  onRequestUpgrade(_controller: Dispatcher.DispatchController, status: number, headers: HeaderFields, socket: Duplex): void {
    if (this.#ended || !this.#handler.onUpgrade) {
      socket.destroy()
      this.#end(new SdError('SD_MALFORMED', 'The peer sent a protocol upgrade that was not requested', { origin: 'peer' }))
      return
    }
    this.#ended = true
    this.#handler.onUpgrade(status, headers, socket)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: HeaderFields,
    statusText: string = '',
  ): void {
    if (this.#ended) return
    if (status >= 200) this.#handler.onResponse(status, headers, statusText)
    else this.#handler.onInformation?.(status, headers)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (!this.#ended && !this.#handler.onData(chunk)) controller.pause()
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: HeaderFields): void {
    if (this.#ended) return
    this.#ended = true
    this.#handler.onEnd(trailers ?? {})
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error)
  }

  #bodyOf({ body, pushed }: TransportRequest): string | Uint8Array | UploadStream | PushedStream | null {
    if (pushed === true) {
      this.#pushed = new PushedStream(() => this.#handler.onDrain?.())
      return this.#pushed
    }
    if (typeof body === 'string' || body instanceof Uint8Array || body === null) return body
    this.#upload = new UploadStream(body)
    return this.#upload
  }

  #fail(thrown: unknown): void {
    if (this.#ended) return
    const { error, wasSent } = toTransportFailure(thrown)
    // A body that has begun can't be sent again, whatever the peer saw of it.
    this.#end(error, this.#upload?.hasBegun ? undefined : wasSent)
  }

  #end(error: SdError, wasSent?: boolean): void {
    if (this.#ended) return
    this.#ended = true
    this.#pushed?.destroy()
    this.#handler.onError(error, wasSent)
  }
}

/**
 * The header fields, without a `content-length` that differs from a body of known length: undici would reject it, and
 * sends the right one.
 */
export function fitLength({ headers, body, pushed }: TransportRequest): Record<string, string> {
  const given = headers['content-length']
  if (given === undefined || pushed === true || !(body === null || typeof body === 'string' || body instanceof Uint8Array)) {
    return headers as Record<string, string>
  }
  const length = typeof body === 'string' ? Buffer.byteLength(body) : (body?.length ?? 0)
  // Without a body undici would send it with any method.
  if (length > 0 && given === String(length)) return headers as Record<string, string>
  const { 'content-length': _, ...rest } = headers
  return rest
}

/** The raw header fields, treated in the same way; `undefined` if there are none. */
export function fitRawLength({ rawHeaders, body, pushed }: TransportRequest): readonly string[] | undefined {
  if (!rawHeaders || pushed === true || !(body === null || typeof body === 'string' || body instanceof Uint8Array))
    return rawHeaders
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && hasName(name, 'content-length'))
  const length = body === null ? 0 : Buffer.byteLength(body)
  if (at === -1 || (length > 0 && rawHeaders[at + 1] === String(length))) return rawHeaders
  return rawHeaders.toSpliced(at, 2)
}

const noFields: readonly string[] = []

/** undici's raw fields as strings: in HTTP/1.1 they are Latin-1 buffers, in HTTP/2 an object. */
function toTexts(raw: Dispatcher.DispatchController['rawHeaders']): readonly string[] {
  if (!raw || raw.length === 0) return noFields
  if (Array.isArray(raw)) return raw.map((one) => (typeof one === 'string' ? one : one.toString('latin1')))
  return Object.entries(raw).flatMap(([name, value]) => [value ?? []].flat().flatMap((one) => [name, String(one)]))
}

/** Over HTTP/1.1 `te` is for one connection (RFC 9110, 10.1.4). Undici has no use for trailers. */
function withoutTe(rawHeaders: readonly string[] | undefined): string[] | undefined {
  const index = rawHeaders?.findIndex((name, at) => at % 2 === 0 && hasName(name, 'te')) ?? -1
  return (index < 0 ? rawHeaders : rawHeaders?.toSpliced(index, 2)) as string[] | undefined
}
