import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
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

const compress = promisify(gzip)
/** Shorter texts are not compressed. */
const leastCompressed = 1_024

/** What a response has besides its body. */
interface ResponseHead {
  /** @default 200 */
  readonly status?: number
  /** Additional header fields. @default {} */
  readonly headers?: Readonly<Record<string, string>>
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
export async function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  body: unknown,
  { status = 200, headers = {} }: ResponseHead = {},
): Promise<void> {
  const plain = Buffer.from(masking.line(JSON.stringify(body)))
  const isCompressed =
    plain.length >= leastCompressed && /\bgzip\b(?!\s*;\s*q=0)/i.test(String(request.headers['accept-encoding'] ?? ''))
  const content = isCompressed ? await compress(plain, { level: 1 }) : plain
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, {
    ...COMMON_HEADERS,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(content.length),
    vary: 'accept-encoding',
    ...(isCompressed && { 'content-encoding': 'gzip' }),
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : content)
}

/** Sends an error. An error without a code is a fault of this endpoint: its message stays inside. */
export async function sendError(request: IncomingMessage, response: ServerResponse, thrown: unknown): Promise<void> {
  if (thrown instanceof AnswerError) {
    return sendJson(request, response, toErrorBody(thrown.error), thrown)
  }
  const error = thrown instanceof SdError ? thrown : new SdError('SD_UNAVAILABLE', 'The endpoint failed', { retryable: false })
  const status = thrown instanceof SdError ? (statuses[error.code] ?? 500) : 500
  return sendJson(request, response, toErrorBody(error), { status })
}

function toErrorBody(error: SdError): AdminErrorBody {
  return { error: toWireError(error) }
}
