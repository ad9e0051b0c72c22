import { STATUS_CODES } from 'node:http'
import { type RateLimitDecision, rateLimitHeaders, SdError, type SdErrorCode } from '@sd/core'
import type { GatewayExchange, GatewayReply, ReplyStream } from '../filters/filter.ts'
import { isRouteRefusal } from '../filters/route-refusal.ts'
import type { RedirectSpec } from '../table/table.ts'
import { prefersJson } from './accept.ts'
import { isFieldValue } from './field-list.ts'
import { hasBody } from './message-rules.ts'

/** Field of the gateway's own error responses: the code of the error. */
const ERROR_HEADER = 'x-gateway-error'

const statuses: Readonly<Partial<Record<SdErrorCode, number>>> = {
  SD_INVALID: 400,
  SD_NO_INSTANCE: 503,
  SD_REJECTED: 503,
  SD_CLOSED: 503,
  SD_TIMEOUT: 504,
  SD_DEADLINE_EXCEEDED: 504,
  SD_UNAVAILABLE: 502,
  SD_MALFORMED: 502,
}

/** Status of the response for a call that failed. What is too large then is the response of the service. */
export function statusOf(error: SdError): number {
  return isRouteRefusal(error) ? error.status : (statuses[error.code] ?? 502)
}

const details: Readonly<Record<number, string>> = {
  400: 'The request can not be forwarded.',
  413: 'The request is too large.',
  429: 'The client has sent too many requests.',
  500: 'The gateway failed to handle the request.',
  502: 'The service could not be reached, or its response is not valid.',
  503: 'The service is not available now.',
  504: 'The service did not respond in time.',
}

/** One sentence about a failed call, without names, addresses or messages from inside. */
export function detailOf(status: number): string {
  return details[status] ?? (details[502] as string)
}

/** The reason phrase of the service, or the usual one if there is none that can be sent on. */
export function reasonOf(status: number, given: string): string {
  return given !== '' && isFieldValue(given) ? given : (STATUS_CODES[status] ?? '')
}

/**
 * An error response as the gateway's own: text, or problem+json (RFC 9457) if the client prefers it. Filters use it for what
 * they refuse.
 */
export function errorReply(init: {
  readonly status: number
  /** One sentence for the client, without names, addresses or messages from inside. */
  readonly detail: string
  /** Its code, and when to try again, are sent; its message is not. */
  readonly error: SdError
  /** The `accept` field of the request. */
  readonly accept: string | undefined
  /** Further fields. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined
}): GatewayReply {
  const { status, detail, error, accept, headers } = init
  const { code } = error
  const title = STATUS_CODES[status] ?? 'Error'
  const isJson = prefersJson(accept)
  return {
    status,
    headers: {
      'content-type': isJson ? 'application/problem+json' : 'text/plain; charset=utf-8',
      [ERROR_HEADER]: code,
      ...(status === 405 && { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }),
      ...limitFields(error),
      ...headers,
    },
    body: isJson ? JSON.stringify({ type: 'about:blank', title, status, detail, code }) : `${status} ${title}\n${detail}\n`,
  }
}

/** When to try again: what a rate limit has decided, or the time in the error. */
function limitFields({ code, cause, retryAfterMs }: SdError): Record<string, string> {
  if (code === 'SD_REJECTED' && isDecision(cause)) return rateLimitHeaders(cause)
  return retryAfterMs === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }
}

function isDecision(value: unknown): value is RateLimitDecision {
  return typeof value === 'object' && value !== null && 'windowMs' in value && 'remaining' in value && 'allowed' in value
}

/** What is said about a request without a route. @param allowed methods that have one */
export function noRoute(method: string, allowed: readonly string[]): [number, SdError, string, Record<string, string>?] {
  const error = new SdError('SD_NOT_FOUND', 'No route matches')
  if (allowed.length === 0) return [404, error, 'No route matches the request.']
  return [405, error, `The method ${method} is not allowed here.`, { allow: allowed.join(', ') }]
}

/** What is said about a request that the gateway has sent itself. */
export function loop(): [number, SdError, string] {
  return [508, new SdError('SD_INVALID', 'The request has passed this gateway before'), 'The request is in a loop.']
}

/** The response of a route that redirects. @param path path and query of the location */
export function redirectReply(
  { status = 308, scheme, host }: RedirectSpec,
  path: string,
  { authority, connection }: Pick<GatewayExchange, 'authority' | 'connection'>,
): GatewayReply {
  // The port belongs to the scheme of the request.
  const own = scheme === undefined ? authority : authority.replace(/:\d*$/, '')
  const origin = `${scheme ?? (connection.tls ? 'https' : 'http')}://${host ?? own}`
  return { status, headers: { location: `${origin}${path}` } }
}

/** What is sent for a response of the gateway. */
export interface ReadReply {
  readonly status: number
  /** Names in lower case and values in turn. */
  readonly raw: string[]
  readonly body: Uint8Array | ReplyStream | undefined
  readonly trailers: readonly string[]
  /** Whether a body follows the head. */
  readonly sendsBody: boolean
}

/** Prepares a response for a request with this method. */
export function readReply(
  { status, headers = {}, rawHeaders = [], body, trailers = [] }: GatewayReply,
  method: string,
): ReadReply {
  const content = typeof body === 'string' ? Buffer.from(body) : body
  const raw = Object.entries(headers).flatMap(([name, value]) => [name.toLowerCase(), value])
  raw.push(...rawHeaders)
  const mayHaveBody = hasBody(method, status)
  const isStream = typeof content === 'function'
  const length = isStream ? 1 : (content?.byteLength ?? 0)
  if (!isStream && trailers.length === 0 && (mayHaveBody || method === 'HEAD')) raw.push('content-length', String(length))
  return { status, raw, body: content, trailers, sendsBody: mayHaveBody && length > 0 }
}
