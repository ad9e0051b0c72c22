import {
  type CallContext,
  type CallResponse,
  createEndpoint,
  createServiceInstance,
  type Endpoint,
  type Interceptor,
} from '@sd/core'
import type { CacheFill } from './cache-fill.ts'
import type { CacheResponse } from './cache-response.ts'
import type { HttpCache } from './http-cache.ts'

/**
 * Creates an interceptor of calls for `@sd/client`: `interceptors: { call: [createCacheInterceptor(cache)] }`. Put it first,
 * so that the others only see calls that are sent. It does not validate in the background: of the calls for a response that
 * may be stale while it is validated, one validates it and the others get the stale one.
 */
export function createCacheInterceptor(cache: HttpCache): Interceptor<CallContext> {
  return async (call, next) => {
    const rawHeaders = Object.entries(call.headers).flat()
    const { method, service } = call
    const url = `http://${encodeURIComponent(service)}${call.path}`
    const decision = await cache.open({ method, url, rawHeaders })
    if (decision.kind === 'respond') return toCallResponse(decision.response, call)
    const { fill } = decision
    try {
      return await send(call, next, fill)
    } catch (error) {
      const response = fill.fail()
      fill.abort()
      if (!response) throw error
      return toCallResponse(response, call)
    }
  }
}

async function send(call: CallContext, next: () => Promise<CallResponse>, fill: CacheFill): Promise<CallResponse> {
  const original = { ...call.headers }
  for (;;) {
    if (fill.init.stored) replaceHeaders(call.headers, fill.rawHeaders)
    const response = await next()
    if (fill.init.stored) replaceHeaders(call.headers, Object.entries(original).flat())
    const received = fill.receive(response.status, rawHeadersOf(response))
    if (received.kind === 'repeat') continue
    if (received.kind === 'respond') return toCallResponse(received.response, call, response.endpoint)
    const own = response.headers['cache-status']
    const cacheStatus = [...(own === undefined ? [] : [own].flat()), received.cacheStatus].join(', ')
    const headers = { ...response.headers, 'cache-status': cacheStatus }
    if (received.kind === 'pass') return { ...response, headers }
    return { ...response, headers, body: storing(response.body, fill) }
  }
}

/**
 * Passes a body on while it is stored. One that was not read to its end is not. It is not a generator: the end of one that
 * has not begun would go unnoticed.
 */
function storing(body: AsyncIterable<Uint8Array>, fill: CacheFill): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const source = body[Symbol.asyncIterator]()
      return {
        async next() {
          try {
            const result = await source.next()
            if (result.done) fill.end()
            else fill.write(result.value)
            return result
          } catch (error) {
            fill.abort()
            throw error
          }
        },
        async return() {
          fill.abort()
          return (await source.return?.()) ?? { done: true, value: undefined }
        },
      }
    },
  }
}

function replaceHeaders(headers: Record<string, string>, raw: readonly string[]): void {
  for (const name of Object.keys(headers)) delete headers[name]
  for (let index = 0; index < raw.length; index += 2) headers[raw[index] as string] = raw[index + 1] as string
}

function rawHeadersOf({ headers }: CallResponse): string[] {
  return Object.entries(headers).flatMap(([name, value = []]) => [value].flat().flatMap((one) => [name, one as string]))
}

function toCallResponse(
  response: CacheResponse,
  call: CallContext,
  endpoint: Endpoint = cacheEndpoint(call.service),
): CallResponse {
  const headers: Record<string, string | string[]> = {}
  const { rawHeaders, body, status } = response
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    const value = rawHeaders[index + 1] as string
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  if (status !== 304) headers['content-length'] = String(body.byteLength)
  return { status, headers, endpoint, body: bytesOf(call.method === 'HEAD' ? undefined : body) }
}

async function* bytesOf(body: Uint8Array | undefined): AsyncGenerator<Uint8Array> {
  // A copy: what is stored belongs to all callers.
  if (body && body.byteLength > 0) yield body.slice()
}

/** No endpoint responded, but logs need one that shows the origin of the response. */
function cacheEndpoint(service: string): Endpoint {
  return createEndpoint(createServiceInstance({ service, id: 'cache', address: 'cache', port: 1 }))
}
