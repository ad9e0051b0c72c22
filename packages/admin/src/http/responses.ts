import type { IncomingMessage, ServerResponse } from 'node:http'
import { masking, SdError, type SdErrorCode, toWireError } from '@sd/core'
import type { AdminErrorBody } from '../protocol.ts'

/** An error with a status of its own. */
export class AnswerError extends Error {
  readonly status: number
  readonly error: SdError
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, error: SdError, headers: Readonly<Record<string, string>> = {}) {
    super(error.message)
    this.status = status
    this.error = error
    this.headers = headers
  }
}

/** Header fields of every response. */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}

const statuses: Readonly<Partial<Record<SdErrorCode, number>>> = {
  SD_INVALID: 400,
  SD_MALFORMED: 400,
  SD_DENIED: 403,
  SD_NOT_FOUND: 404,
  SD_CONFLICT: 409,
  SD_TOO_LARGE: 413,
  SD_UNSUPPORTED: 501,
  SD_CLOSED: 503,
  SD_UNAVAILABLE: 503,
  SD_TIMEOUT: 504,
}

/** Sends JSON. Texts that look like credentials are masked once more, whatever the answer consists of. */
export function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  body: unknown,
  { status = 200, headers = {} }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): void {
  if (response.headersSent || response.destroyed) return
  const text = masking.line(JSON.stringify(body))
  response.writeHead(status, {
    ...COMMON_HEADERS,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}

/** Sends an error. An error without a code is a fault of this endpoint: its message stays inside. */
export function sendError(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  if (thrown instanceof AnswerError) {
    sendJson(request, response, toErrorBody(thrown.error), thrown)
    return
  }
  const error = thrown instanceof SdError ? thrown : new SdError('SD_UNAVAILABLE', 'The endpoint failed', { retryable: false })
  const status = thrown instanceof SdError ? (statuses[error.code] ?? 500) : 500
  sendJson(request, response, toErrorBody(error), { status })
}

function toErrorBody(error: SdError): AdminErrorBody {
  return { error: toWireError(error) }
}
