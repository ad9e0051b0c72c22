import { METHODS } from 'node:http'
import { DEADLINE_HEADER } from '@sd/core'
import { CLIENT_CERTIFICATE_HEADER } from '../listener/client-identity.ts'
import { isRefusal, type Refusal, readTarget, refuse } from './request-target.ts'

/** The head of a request as a front received it. */
export interface RequestHead {
  readonly method: string
  /** Target of the request line, or `:path`. */
  readonly target: string
  /** `:authority`, or `undefined` where the `host` field counts. */
  readonly authority: string | undefined
  /** Header fields, names and values in turn, without pseudo-header fields. */
  readonly rawHeaders: readonly string[]
  readonly version: '1.0' | '1.1' | '2'
  /** Whether the request ended with its head, for HTTP/2. @default the fields say it */
  readonly isComplete?: boolean | undefined
  /** Protocol that the front can change to for this request, such as `websocket`. @default none */
  readonly upgrade?: string | undefined
}

/** Limits of a request's head. */
export interface HeadLimits {
  /** Number of fields. */
  readonly headers: number
  /** Characters of path and query. */
  readonly pathLength: number
}

/** The checked head of a request. */
export interface RequestFields {
  readonly authority: string
  /** Path and query in origin form; dot segments are resolved. */
  readonly path: string
  /** Names in lower case and values in turn, without the fields of one connection and those that the gateway sets itself. */
  readonly rawHeaders: string[]
  /** Fields that count only from a trusted proxy, by name. */
  readonly claims: Readonly<Record<string, string | undefined>>
  /** Whether a body follows. */
  readonly hasBody: boolean
  /** Bytes of the body, if the client has announced them. */
  readonly contentLength: number | undefined
  /** Value of the `via` field, if present. */
  readonly via: string | undefined
}

/**
 * What the gateway does with a field. `claim`: it counts only from a trusted proxy, and the gateway sends its own. `twin`: a
 * server that maps names to variables takes it for a field that the gateway or the framing decides about.
 */
type Treatment =
  | 'pass'
  | 'drop'
  | 'host'
  | 'transfer-encoding'
  | 'connection'
  | 'content-length'
  | 'expect'
  | 'te'
  | 'claim'
  | 'cookie'
  | 'via'
  | 'twin'

const treatments: ReadonlyMap<string, Treatment> = new Map<string, Treatment>([
  ['host', 'host'],
  ['transfer-encoding', 'transfer-encoding'],
  ['content-length', 'content-length'],
  ['connection', 'connection'],
  ['expect', 'expect'],
  ['te', 'te'],
  ['cookie', 'cookie'],
  ['via', 'via'],
  ...['upgrade', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'http2-settings', 'trailer'].map(
    (name) => [name, 'drop'] as const,
  ),
  ...[
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'x-forwarded-port',
    'x-real-ip',
    'x-request-id',
    CLIENT_CERTIFICATE_HEADER,
    DEADLINE_HEADER,
  ].map((name) => [name, 'claim'] as const),
])

/** Fields that the `connection` field of a request can't remove: they are for the service, not for one connection. */
const endToEnd: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-length',
  'content-type',
  'cookie',
  'te',
  'via',
])

interface KnownField {
  /** In lower case. */
  readonly name: string
  readonly treatment: Treatment
}

/** By the spellings that clients use: nearly every name is found without a new string. */
const knownFields = new Map<string, KnownField>()
const maxKnownFields = 1_000

function fieldOf(spelling: string): KnownField {
  return knownFields.get(spelling) ?? learnField(spelling)
}

function learnField(spelling: string): KnownField {
  const name = spelling.toLowerCase()
  const field: KnownField = { name, treatment: treatments.get(name) ?? (isTwin(name) ? 'twin' : 'pass') }
  if (knownFields.size < maxKnownFields && name.length <= 40) knownFields.set(spelling, field)
  return field
}

/** `X_Forwarded_For` is the same field as `X-Forwarded-For` for servers that map names to variables. */
function isTwin(name: string): boolean {
  if (!name.includes('_')) return false
  const plain = name.replaceAll('_', '-')
  return treatments.has(plain) || endToEnd.has(plain)
}

/** Whether a client without trust can't set a field, in lower case, nor one that some servers take for it. */
export function isReserved(name: string): boolean {
  const { treatment } = fieldOf(name)
  return treatment === 'claim' || treatment === 'twin' || treatment === 'drop'
}

const methods: ReadonlySet<string> = new Set(METHODS)

const noClaims: Readonly<Record<string, string | undefined>> = Object.freeze({})

/** Checks the head of a request and prepares its fields, in one pass (RFC 9110, 7.6.1; RFC 9112, 3.2 and 6; RFC 9113, 8.2). */
export function readRequestFields(head: RequestHead, limits: HeadLimits): RequestFields | Refusal {
  const { method, target: given, rawHeaders } = head
  if (method === 'CONNECT' || method === 'TRACE') return refuse(405, `The method ${method} is not allowed.`)
  // The parser of HTTP/1.1 refuses others. Later ones would send `get` as another method.
  if (head.version === '2' && !methods.has(method)) return refuse(501, 'The method is not known.')
  if (given.length > limits.pathLength) return refuse(414, `The path is longer than ${limits.pathLength} characters.`)
  if (rawHeaders.length > limits.headers * 2) return refuse(431, `The request has more than ${limits.headers} fields.`)
  const reader = new FieldReader(head)
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const { name, treatment } = fieldOf(rawHeaders[index] as string)
    const value = rawHeaders[index + 1] as string
    if (treatment === 'pass') reader.fields.push(name, value)
    else reader.treat(name, treatment, value)
  }
  const refusal = reader.finish()
  if (refusal) return refusal
  const target = readTarget(head, reader.host)
  if (isRefusal(target)) return target
  return {
    authority: target.authority,
    path: target.path,
    rawHeaders: reader.fields,
    claims: reader.claims ?? noClaims,
    hasBody: head.isComplete === undefined ? reader.isChunked || (reader.length ?? 0) > 0 : !head.isComplete,
    contentLength: reader.length,
    via: reader.via,
  }
}

/** The state of one pass over the fields. */
class FieldReader {
  readonly fields: string[] = []
  claims: Record<string, string | undefined> | undefined
  host: string | undefined
  via: string | undefined
  length: number | undefined
  isChunked = false
  readonly #head: RequestHead
  #nominated: string | undefined
  #cookieAt = -1
  #refusal: Refusal | undefined

  constructor(head: RequestHead) {
    this.#head = head
  }

  treat(name: string, treatment: Treatment, value: string): void {
    if (treatment === 'host') this.#readHost(value)
    else if (treatment === 'connection') this.#readConnection(value)
    else if (treatment === 'content-length') this.#readLength(name, value)
    else if (treatment === 'cookie') this.#readCookie(name, value)
    else if (treatment === 'claim') {
      this.claims ??= {}
      const before = this.claims[name]
      this.claims[name] = before === undefined ? value : `${before}, ${value}`
    } else if (treatment === 'via') {
      this.via = this.via === undefined ? value : `${this.via}, ${value}`
      this.fields.push(name, value)
    } else if (treatment === 'transfer-encoding') this.#readEncoding(value)
    else if (treatment === 'expect') {
      if (value.toLowerCase() !== '100-continue') this.#refuse(417, 'The only supported expectation is 100-continue.')
    } else if (treatment === 'te' && /(?:^|,)\s*trailers\s*(?:$|[,;])/i.test(value)) this.fields.push('te', 'trailers')
  }

  /** Removes what the `connection` fields name. @returns why the request must be refused */
  finish(): Refusal | undefined {
    if (this.isChunked && this.length !== undefined) {
      this.#refuse(400, 'The request has both a content-length and a transfer-encoding.')
    }
    if (this.#head.upgrade !== undefined && (this.isChunked || (this.length ?? 0) > 0)) {
      this.#refuse(400, 'A request for another protocol has no body.')
    }
    if (this.#nominated !== undefined) removeNominated(this.fields, this.#nominated)
    return this.#refusal
  }

  #readHost(value: string): void {
    if (this.host !== undefined) this.#refuse(400, 'The request has more than one host field.')
    this.host = value
  }

  #readConnection(value: string): void {
    if (value === 'keep-alive' || value === 'close') return
    this.#nominated = this.#nominated === undefined ? value : `${this.#nominated},${value}`
  }

  #readLength(name: string, value: string): void {
    if (this.length !== undefined || !/^\d{1,15}$/.test(value)) this.#refuse(400, 'The content-length is not valid.')
    this.length = Number(value)
    this.fields.push(name, value)
  }

  /** RFC 9113, 8.2.3: several fields become one, joined by a semicolon. */
  #readCookie(name: string, value: string): void {
    if (this.#cookieAt >= 0) this.fields[this.#cookieAt] += `; ${value}`
    else this.#cookieAt = this.fields.push(name, value) - 1
  }

  #readEncoding(value: string): void {
    if (this.#head.version !== '1.1' || this.isChunked) this.#refuse(400, 'The transfer-encoding is not allowed.')
    // The parser has removed spaces; it refuses what `trim` would also remove, but only after the head was passed on.
    else if (value.toLowerCase() !== 'chunked') this.#refuse(501, 'The only supported transfer-encoding is chunked.')
    this.isChunked = true
  }

  #refuse(status: number, detail: string): void {
    this.#refusal ??= refuse(status, detail)
  }
}

function removeNominated(fields: string[], nominated: string): void {
  const names = new Set(nominated.split(',').map((name) => name.trim().toLowerCase()))
  let length = 0
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string
    if (names.has(name) && !endToEnd.has(name)) continue
    fields[length++] = name
    fields[length++] = fields[index + 1] as string
  }
  fields.length = length
}
