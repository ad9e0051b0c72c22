import type { RequestBody } from '@sd/core'
import type { MethodRequestOptions, ServiceCall } from './request-options.ts'

/** Statuses whose answers have no body, which `Response` insists on. */
const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304])

/** `fetch` over a client's calls: the host of the URL is the service name. */
export async function fetchService(
  call: ServiceCall<MethodRequestOptions>,
  input: string | URL | Request,
  init?: RequestInit,
): Promise<Response> {
  // Not given to Request, which would leave a listener on it.
  const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined)
  const request = new Request(input, { ...init, signal: null })
  const { hostname, pathname, search } = new URL(request.url)
  const response = await call(decodeURIComponent(hostname), `${pathname}${search}`, {
    method: request.method,
    headers: Object.fromEntries(request.headers),
    signal,
    ...chooseBody(request, init),
  })
  const headers = new Headers()
  for (const [name, value] of Object.entries(response.headers)) {
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) headers.append(name, one)
  }
  const hasBody = !withoutBody.has(response.status) && request.method !== 'HEAD'
  if (!hasBody) response.cancel()
  return new Response(hasBody ? response.stream() : null, { status: response.status, headers })
}

/** The text that was given rather than the stream that Request makes of it, because text can be sent again. */
function chooseBody(request: Request, init: RequestInit | undefined): { body?: RequestBody } {
  if (typeof init?.body === 'string') return { body: init.body }
  return request.body ? { body: request.body } : {}
}
