import { type Endpoint, SdError } from '@sd/core'
import { checkField } from '../message/request-check.ts'
import { bodyError, keepLength, PushedWebStream, toWebStream } from '../message/upload.ts'
import type { TransportExchange, TransportHandler, TransportRequest } from './transport.ts'
import { toTransportFailure } from './transport-errors.ts'
import { fitLength, fitRawLength } from './undici-exchange.ts'

const nothing: readonly string[] = []

/** One exchange over `fetch`. */
export class FetchExchange implements TransportExchange {
  readonly rawTrailers: readonly string[] = nothing
  readonly #handler: TransportHandler
  readonly #controller = new AbortController()
  #ended = false
  #resume: (() => void) | undefined
  #pushed: PushedWebStream | undefined
  /** The error of the caller's body: `fetch` may wrap it, or report a broken connection instead. */
  #bodyError: SdError | undefined
  #headers: Headers | undefined

  constructor(handler: TransportHandler) {
    this.#handler = handler
  }

  get rawHeaders(): readonly string[] {
    return this.#headers ? [...this.#headers].flat() : nothing
  }

  /** Sends the request. */
  async run(send: typeof fetch, endpoint: Endpoint, request: TransportRequest): Promise<void> {
    let hasResponse = false
    try {
      const response = await send(`${endpoint.origin}${request.path}`, this.#toInit(request))
      if (this.#ended) return
      hasResponse = true
      this.#headers = response.headers
      this.#handler.onSend()
      this.#handler.onResponse(response.status, readHeaders(response.headers), response.statusText)
      await this.#readBody(response)
      if (this.#finish()) this.#handler.onEnd({})
    } catch (thrown) {
      if (this.#ended) return
      const { error, wasSent } = toTransportFailure(this.#bodyError ?? thrown)
      // fetch doesn't report when it begins to send: unless the connection failed, the peer may have seen the request.
      if (!hasResponse && wasSent !== false && !isOfRequest(error)) this.#handler.onSend()
      this.#fail(error)
    }
  }

  write(chunk: Uint8Array): boolean {
    return this.#ended || this.#pushed === undefined || this.#pushed.write(chunk)
  }

  end(): void {
    if (!this.#ended) this.#pushed?.end()
  }

  abort(reason: SdError): void {
    this.#fail(reason)
    this.#controller.abort(reason)
    this.#resume?.()
  }

  resume(): void {
    this.#resume?.()
  }

  /** @throws SdError `SD_UNSUPPORTED` for a request that `fetch` can't send unchanged */
  #toInit(request: TransportRequest): RequestInit {
    checkFetchable(request)
    const { method } = request
    const rawHeaders = fitRawLength(request)
    return {
      method,
      headers: rawHeaders ? toPairs(rawHeaders) : checkFields(fitLength(request)),
      body: this.#bodyOf(request) as NonNullable<RequestInit['body']> | null,
      redirect: 'manual',
      signal: this.#controller.signal,
      duplex: 'half',
    } as RequestInit
  }

  #bodyOf({ body, pushed, headers }: TransportRequest): string | Uint8Array | ReadableStream<Uint8Array> | null {
    if (pushed === true) {
      this.#pushed = new PushedWebStream(() => this.#handler.onDrain?.())
      return this.#pushed.stream
    }
    if (body === null || typeof body === 'string' || body instanceof Uint8Array) return body
    const length = headers['content-length']
    return toWebStream(length === undefined ? body : keepLength(body, Number(length)), (error) => {
      this.#bodyError = error
    })
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
    if (!this.#finish()) return
    this.#pushed?.fail(bodyError(error))
    this.#handler.onError(error)
  }
}

/** Whether the error was found in the request before anything was sent. */
function isOfRequest({ code }: SdError): boolean {
  return code === 'SD_INVALID' || code === 'SD_UNSUPPORTED'
}

const dotSegment = /\/(?:\.|%2e){1,2}(?:[/?]|$)/i

/** The Fetch Standard rejects these, changes them, or leaves them out. */
function checkFetchable({ method, path, body, pushed, upgrade, serverName }: TransportRequest): void {
  const isEmpty = (body === null || body.toString() === '') && pushed !== true
  if (method === 'TRACE' || method === 'TRACK' || method === 'CONNECT') throw unsupported(`the method ${method}`)
  if (!isEmpty && (method === 'GET' || method === 'HEAD')) throw unsupported(`a ${method} with a body`)
  if (dotSegment.test(path.split('?', 1)[0] as string)) throw unsupported('a path with the segment . or ..')
  if (upgrade !== undefined) throw unsupported('an upgrade')
  if (serverName !== undefined) throw unsupported('a serverName')
}

function unsupported(what: string): SdError {
  return new SdError('SD_UNSUPPORTED', `fetch can't send ${what}; the undici transport can`, { origin: 'caller' })
}

function toPairs(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let index = 0; index < flat.length; index += 2) {
    const [name, value] = [flat[index] as string, flat[index + 1] as string]
    checkField('rawHeaders', name, value)
    pairs.push([name, value])
  }
  return pairs
}

/** Fields set by an interceptor are not checked yet, and fetch quotes them in its error. */
function checkFields(headers: Record<string, string>): Record<string, string> {
  for (const name in headers) checkField('headers', name, headers[name] as string)
  return headers
}

function readHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const fields: Record<string, string | readonly string[]> = {}
  for (const [name, value] of headers) fields[name] = value
  const cookies = headers.getSetCookie()
  if (cookies.length > 1) fields['set-cookie'] = cookies
  return fields
}
