import type { IncomingMessage, ServerResponse } from 'node:http'
import { SdError, toWireError } from '@sd/core'
import { safeJson } from '../model/safe-json.ts'

/** Maximum size of a request body, in bytes. */
const longestBody = 16_384
/** Time that a client has to send its body, in milliseconds. */
const bodyLimitMs = 5_000

/** Sent with every response. Nothing inline, nothing from elsewhere, no frames, no copies in caches. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** A refusal with a status and a sentence for the user. */
export class Refusal extends Error {
  /** Status of the response. */
  readonly status: number
  /** Further header fields. */
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.headers = headers
  }
}

/** Sends a response with the security headers. */
export function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  response.writeHead(status, { ...SECURITY_HEADERS, 'content-type': type, 'content-length': length, ...headers }).end(body)
}

/** Sends a value as JSON, without secrets. */
export function sendJson(
  response: ServerResponse,
  value: unknown,
  { status = 200, headers = {} }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): void {
  send(response, status, 'application/json', safeJson(value), headers)
}

/** Sends what was thrown: a refusal with its status, an `SdError` with the status of its code, anything else as 500. */
export function sendError(response: ServerResponse, thrown: unknown): void {
  const error = thrown instanceof Refusal ? { code: 'SD_DENIED', message: thrown.message, retryable: false } : toWireError(thrown)
  const headers = thrown instanceof Refusal ? thrown.headers : {}
  sendJson(response, { error }, { status: statusOf(thrown), headers })
}

function statusOf(thrown: unknown): number {
  if (thrown instanceof Refusal) return thrown.status
  if (!(thrown instanceof SdError)) return 500
  switch (thrown.code) {
    case 'SD_INVALID':
    case 'SD_MALFORMED':
      return 400
    case 'SD_DENIED':
      return 403
    case 'SD_NOT_FOUND':
      return 404
    case 'SD_CONFLICT':
      return 409
    case 'SD_TOO_LARGE':
      return 413
    case 'SD_UNSUPPORTED':
      return 405
    default:
      return 502
  }
}

/**
 * Reads a body of JSON. Middleware such as `express.json()` may have read it before; then its result is used.
 *
 * @throws Refusal 400, 408 or 413
 */
export async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const { body } = request as { readonly body?: unknown }
  const value = typeof body === 'object' && body !== null && request.readableEnded ? body : parse(await readText(request))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Refusal(400, 'The body is not a JSON object')
  return value as Readonly<Record<string, unknown>>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal(400, 'The body is not valid JSON')
  }
}

function readText(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(() => end(() => reject(new Refusal(408, 'The body took too long'))), bodyLimitMs)
    function end(settle: () => void): void {
      clearTimeout(timer)
      request.off('data', take)
      request.off('end', finish)
      request.off('error', fail)
      request.off('close', fail)
      settle()
    }
    function take(chunk: Buffer): void {
      size += chunk.length
      if (size > longestBody) end(() => reject(new Refusal(413, `The body is longer than ${longestBody} bytes`)))
      else chunks.push(chunk)
    }
    const finish = (): void => end(() => resolve(Buffer.concat(chunks).toString('utf8')))
    const fail = (): void => end(() => reject(new Refusal(400, 'The body is incomplete')))
    request.on('data', take).on('end', finish).on('error', fail).on('close', fail)
  })
}
