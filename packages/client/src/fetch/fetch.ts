import { type RequestBody, SdError } from '@sd/core'
import type { MethodRequestOptions, ServiceCall } from '../call/request-options.ts'
import { serviceOfOrigin } from '../dispatcher/service-origin.ts'
import { encodeForm } from '../message/form-data.ts'
import { isFormData } from '../message/request-body.ts'
import type { ServiceResponse } from '../message/service-response.ts'
import { toStream } from './fetch-body.ts'
import { toFetchError } from './fetch-errors.ts'

/** Statuses of responses without a body, as `Response` requires. */
const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304])
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** Fetch standard, 4.4. */
const maxRedirects = 20
/** Most bytes of a `Request`'s body that are collected, so that the body has a length and can be sent again. */
const maxCollectedBytes = 1_048_576

/** One request of a redirect chain. */
interface Hop {
  url: URL
  method: string
  readonly headers: Headers
  body: RequestBody | undefined
}

/** `fetch` over a client's calls: the host of the URL is the service name, see `serviceOrigin`. */
export async function fetchService(
  call: ServiceCall<MethodRequestOptions>,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const signal = (init.signal === undefined && input instanceof Request ? input.signal : init.signal) ?? undefined
  const { hop, redirect } = readRequest(input, init)
  if (signal?.aborted) {
    if (hop.body instanceof ReadableStream) void hop.body.cancel(signal.reason).catch(() => undefined)
    throw signal.reason
  }
  try {
    if (hop.body instanceof ReadableStream && !(init.body instanceof ReadableStream)) hop.body = await collect(hop.body)
    for (let count = 0; ; count++) {
      const response = await call(serviceOfOrigin(hop.url), `${hop.url.pathname}${hop.url.search}`, {
        method: hop.method,
        headers: Object.fromEntries(hop.headers),
        signal,
        ...(hop.body !== undefined && { body: hop.body }),
      })
      const location = redirects.has(response.status) && redirect !== 'manual' ? findLocation(response, hop) : undefined
      if (!location) return toResponse(response, { hop, signal, redirected: count > 0 })
      response.cancel()
      if (redirect === 'error') throw refusal('a redirect, and the request has redirect: error')
      if (count === maxRedirects) throw refusal(`more than ${maxRedirects} redirects`)
      follow(hop, location, response.status)
    }
  } catch (error) {
    throw toFetchError(error, signal)
  }
}

function refusal(what: string): SdError {
  return new SdError('SD_UNSUPPORTED', `The response is ${what}`)
}

function readRequest(input: string | URL | Request, init: RequestInit): { hop: Hop; redirect: Request['redirect'] } {
  if (!(input instanceof Request)) {
    const { username, password } = new URL(String(input))
    // Request would reject it too, with the password in its message.
    if (username !== '' || password !== '')
      throw new TypeError('Request cannot be constructed from a URL that includes credentials')
  }
  const { body } = init
  const isStream = body instanceof ReadableStream
  // The signal would keep a listener of Request. Bodies other than streams are sent unchanged, with their length.
  const { body: _, ...rest } = init
  const request = new Request(input, { ...rest, signal: null, ...(isStream && { body, duplex: 'half' as const }) })
  const { method, redirect } = request
  const headers = new Headers(request.headers)
  const hop: Hop = { url: new URL(request.url), method, headers, body: undefined }
  if (body == null || isStream) {
    if (request.body) hop.body = request.body
    return { hop, redirect }
  }
  if (method === 'GET' || method === 'HEAD') throw new TypeError('Request with GET/HEAD method cannot have body.')
  if (input instanceof Request) void input.body?.cancel().catch(() => undefined)
  hop.body = readBody(body, headers)
  return { hop, redirect }
}

function readBody(body: NonNullable<RequestInit['body']>, headers: Headers): RequestBody {
  const addType = (type: string): void => {
    if (type !== '' && !headers.has('content-type')) headers.set('content-type', type)
  }
  if (isFormData(body)) {
    const { blob, contentType } = encodeForm(body)
    addType(contentType)
    return blob
  }
  if (body instanceof Blob) {
    addType(body.type)
    return body
  }
  if (body instanceof URLSearchParams) return body
  if (body instanceof ArrayBuffer) return new Uint8Array(body.slice(0))
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice()
  if (typeof body === 'object' && Symbol.asyncIterator in body) return body as AsyncIterable<Uint8Array>
  return String(body)
}

/**
 * The bytes of a stream that provides all of them at once, as the bodies of most `Request` objects do; otherwise the
 * stream.
 */
async function collect(stream: ReadableStream<Uint8Array>): Promise<RequestBody> {
  const reader = stream.getReader()
  const chunks: Uint8Array[] = []
  let bytes = 0
  for (;;) {
    const next = reader.read()
    const read = await Promise.race([next, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))])
    if (read?.done) return Buffer.concat(chunks)
    if (read) {
      chunks.push(read.value)
      bytes += read.value.length
      if (bytes <= maxCollectedBytes) continue
    }
    return resume(chunks, reader, read ? undefined : next)
  }
}

async function* resume(
  chunks: readonly Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
  pending: ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']> | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
    for (let next = pending ?? reader.read(); ; next = reader.read()) {
      const { done, value } = await next
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel()
  }
}

/** Target of a redirect. A host that names the responding instance means its service. */
function findLocation({ headers, endpoint }: ServiceResponse, { url }: Hop): URL | undefined {
  const { location } = headers
  if (typeof location !== 'string') return undefined
  // A field consists of bytes; those of a URL are UTF-8.
  const target = URL.parse(Buffer.from(location, 'latin1').toString(), url.href)
  if (!target || (target.protocol !== 'http:' && target.protocol !== 'https:'))
    throw refusal('a redirect to an address that is not an HTTP URL')
  return target.host === new URL(endpoint.origin).host
    ? new URL(`${target.pathname}${target.search}${target.hash}`, url.origin)
    : target
}

/** Fetch standard, 4.4. */
function follow(hop: Hop, location: URL, status: number): void {
  const becomesGet =
    ((status === 301 || status === 302) && hop.method === 'POST') ||
    (status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD')
  if (becomesGet) {
    hop.method = 'GET'
    hop.body = undefined
    for (const name of ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']) {
      hop.headers.delete(name)
    }
  } else if (
    typeof hop.body === 'object' &&
    !(hop.body instanceof Uint8Array || hop.body instanceof Blob || hop.body instanceof URLSearchParams)
  ) {
    throw refusal('a redirect, and the body of the request can be read only once')
  }
  if (location.host !== hop.url.host) for (const name of ['authorization', 'cookie', 'host']) hop.headers.delete(name)
  if (location.hash === '') location.hash = hop.url.hash
  hop.url = location
}

function toResponse(
  response: ServiceResponse,
  { hop, signal, redirected }: { hop: Hop; signal: AbortSignal | null | undefined; redirected: boolean },
): Response {
  const headers = new Headers()
  for (const [name, value] of Object.entries(response.headers)) {
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) headers.append(name, one)
  }
  const { status, statusText } = response
  const hasBody = !withoutBody.has(status) && hop.method !== 'HEAD'
  if (!hasBody) response.cancel()
  const made = new Response(hasBody ? toStream(response, signal) : null, { status, statusText, headers })
  const { href } = new URL(hop.url)
  const end = href.indexOf('#')
  return withOrigin(made, { url: end === -1 ? href : href.slice(0, end), redirected })
}

/** Sets `url` and `redirected`, which the constructor of Response can't set. */
function withOrigin(made: Response, from: { readonly url: string; readonly redirected: boolean }): Response {
  return Object.defineProperties(made, {
    url: { value: from.url },
    redirected: { value: from.redirected },
    type: { value: 'basic' },
    clone: { value: () => withOrigin(Response.prototype.clone.call(made), from) },
  })
}
