import { SdError } from '@sd/core'
import { isFieldValue, isToken } from '../message/request-check.ts'
import type { TransportRequest } from '../transport/transport.ts'
import { lowerFieldName } from './field-names.ts'

/** How the end of a request body is found. */
export type RequestFraming = 'none' | 'length' | 'chunked'

/** A request, ready to be written. */
export interface Http1RequestHead {
  readonly text: string
  readonly framing: RequestFraming
  /** The `content-length` of a body that follows in parts; NaN without one. */
  readonly length: number
}

const otherPath = /[^\x21-\x7e\x80-\xff]/

/** Fields that the transport writes itself, or that are for one connection. */
const own: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** Methods whose requests have a body, if only an empty one (RFC 9110, 8.6). */
const withBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/** Writes the head of a request, with the framing of its body. Throws `SD_INVALID` for one that would not be one request */
export function formatRequest(request: TransportRequest, authority: string): Http1RequestHead {
  const { method, path, body, pushed, upgrade, rawHeaders, headers } = request
  if (!isToken(method) || otherPath.test(path)) throw invalidRequest()
  let fields = ''
  let host: string | undefined
  let given: string | undefined

  function add(spelling: string, value: string): void {
    const name = lowerFieldName(spelling)
    if (name === '' || typeof value !== 'string' || !isFieldValue(value)) throw invalidRequest()
    if (!own.has(name)) fields += `${spelling}: ${value}\r\n`
    else if (name === 'host') {
      if (host !== undefined) throw invalidRequest()
      host = value
    } else if (name === 'content-length') given = value
    // For a proxy `te` is for one connection (RFC 9110, 10.1.4).
    else if (name === 'te' && !rawHeaders) fields += `te: ${value}\r\n`
  }
  if (rawHeaders) {
    for (let index = 0; index < rawHeaders.length; index += 2) add(rawHeaders[index] as string, rawHeaders[index + 1] as string)
  } else for (const name in headers) add(name, headers[name] as string)

  const follows = pushed === true || (body !== null && typeof body !== 'string' && !(body instanceof Uint8Array))
  let length = Number.NaN
  let framing: RequestFraming = 'none'
  let line = ''
  if (follows) {
    if (given !== undefined && !/^\d{1,15}$/.test(given)) throw invalidRequest()
    framing = given === undefined ? 'chunked' : 'length'
    length = Number(given ?? Number.NaN)
    line = given === undefined ? 'transfer-encoding: chunked\r\n' : `content-length: ${given}\r\n`
  } else {
    const bytes = body === null ? 0 : Buffer.byteLength(body as string | Uint8Array)
    if (bytes > 0 || withBody.has(method)) line = `content-length: ${bytes}\r\n`
  }
  const connection = upgrade === undefined ? 'connection: keep-alive\r\n' : `connection: upgrade\r\nupgrade: ${upgrade}\r\n`
  return {
    text: `${method} ${path} HTTP/1.1\r\nhost: ${host ?? authority}\r\n${connection}${fields}${line}\r\n`,
    framing,
    length,
  }
}

/** The error quotes nothing: a field may be a secret. */
function invalidRequest(): SdError {
  const message = "The request can't be sent: its method, path or header fields are not valid"
  return new SdError('SD_INVALID', message, { origin: 'caller', retryable: false })
}
