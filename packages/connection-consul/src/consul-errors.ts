import type { IncomingHttpHeaders } from 'node:http'
import { connectionHint } from '@sd/adapter-kit'
import { readServerDelay, SdError, type SdErrorCode, toSdError } from '@sd/core'
import { isDeniedTransaction, needsTls } from './server-texts.ts'

const codes: Readonly<Record<number, SdErrorCode>> = {
  400: 'SD_INVALID',
  401: 'SD_DENIED',
  403: 'SD_DENIED',
  404: 'SD_NOT_FOUND',
  405: 'SD_UNSUPPORTED',
  409: 'SD_CONFLICT',
  413: 'SD_TOO_LARGE',
}

/** Response of an agent, for callers that handle it. */
export interface ConsulResponse {
  /** Status of the response. */
  readonly status: number
  /** Path of the request, without its query. */
  readonly path: string
  /** Delay that the agent requests, in milliseconds; `undefined` without one. */
  readonly retryAfterMs: number | undefined
}

const responses = new WeakMap<SdError, ConsulResponse>()

/** Whether an error of {@link toConsulError} is a response of an agent, not a failure to reach it. */
export function isAgentResponse(error: SdError): boolean {
  return responses.has(error)
}

/** Returns the response behind an error of {@link toConsulError}, or `undefined` without one. */
export function responseOf(error: SdError): ConsulResponse | undefined {
  return responses.get(error)
}

interface LibraryError {
  response?: {
    readonly statusCode?: number
    readonly body?: unknown
    readonly headers?: IncomingHttpHeaders
    readonly req?: { readonly method?: string; readonly path?: string }
  }
}

/**
 * Converts an error of the library, based on the status: Consul's texts change, and those of a full disk or of a server
 * behind the agent can be anything. The message contains the request, the agent's text and a hint, never the token.
 */
export function toConsulError(caught: unknown, name: string): SdError {
  if (caught instanceof SdError) return caught
  const { response } = caught as LibraryError
  if (response?.statusCode === undefined) {
    const hint = connectionHint(caught)
    return toSdError(caught, 'SD_UNAVAILABLE', `${name} can't be reached${hint === undefined ? '' : ` (${hint})`}`)
  }
  const { statusCode: status, body = '', headers = {}, req } = response
  const text = textOf(body).slice(0, 500)
  const path = req?.path?.split('?', 1)[0] ?? ''
  const asked = req?.method === undefined ? '' : ` ${req.method} ${path}`
  // The response contains the request with its token. Do not pass it on in a cause.
  ;(caught as LibraryError).response = { statusCode: status }
  const code = status === 409 && isDeniedTransaction(body) ? 'SD_DENIED' : (codes[status] ?? 'SD_UNAVAILABLE')
  const what = code === 'SD_DENIED' ? `${name} refused${asked}` : `${name} responded ${status} to${asked || ' a request'}`
  const hint = hintFor(code, status, path, text)
  const retryAfterMs = readServerDelay(headers as Record<string, string | string[] | undefined>)
  const error = new SdError(code, `${what}${text === '' ? '' : `: ${text}`}${hint === undefined ? '' : ` (${hint})`}`, {
    cause: caught,
    ...(retryAfterMs !== undefined && retryAfterMs > 0 && { retryAfterMs }),
  })
  responses.set(error, { status, path, retryAfterMs })
  return error
}

/** The library returns a body without a type, such as the text of a TLS port, as bytes. */
function textOf(body: unknown): string {
  if (typeof body === 'string') return body
  return Buffer.isBuffer(body) ? body.toString().trim() : JSON.stringify(body)
}

/** Policy rule that each path of the API requires. */
const permissions: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/agent\/(?:service|check)\/(?!.*health)/, 'service_prefix "…" { policy = "write" } for the service'],
  [/^\/v1\/(?:health|catalog\/service|agent\/health)/, 'service_prefix "…" and node_prefix "" { policy = "read" }'],
  [/^\/v1\/catalog\/deregister/, 'operator = "write", or node_prefix "" and service_prefix "…" { policy = "write" }'],
  [/^\/v1\/catalog/, 'service_prefix "" and node_prefix "" { policy = "read" }'],
  [/^\/v1\/(?:kv|txn)/, 'key_prefix "…" { policy = "read" or "write" } for the key'],
  [/^\/v1\/session/, 'session_prefix "" { policy = "write" }'],
  [/^\/v1\/agent/, 'agent_prefix "" { policy = "read" }'],
]

function hintFor(code: SdErrorCode, status: number, path: string, text: string): string | undefined {
  if (code === 'SD_DENIED') {
    const rule = permissions.find(([pattern]) => pattern.test(path))?.[1]
    return rule && `the token's policy needs ${rule}`
  }
  if (needsTls(status, text)) return 'the agent speaks TLS here: give the server as https://'
  if (status === 429) return 'the agent limits requests or connections: see limits.http_max_conns_per_client and request_limits'
  return undefined
}

/** Returns the result of a call, or `undefined` if the requested object does not exist. */
export async function unlessMissing<T>(call: Promise<T>, name: string): Promise<T | undefined> {
  try {
    return await call
  } catch (caught) {
    const error = toConsulError(caught, name)
    if (error.code === 'SD_NOT_FOUND') return undefined
    throw error
  }
}
