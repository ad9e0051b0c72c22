import type { IncomingHttpHeaders } from 'node:http2'
import type { HeaderFields } from '@sd/core'
import { checkField } from '../message/request-check.ts'
import type { TransportRequest } from '../transport/transport.ts'
import { fitLength, fitRawLength } from '../transport/undici-exchange.ts'
import { keyField } from './extended-connect.ts'

/** Header fields that HTTP/2 forbids (RFC 9113, 8.2.2). */
const forbidden: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

const nothing: readonly string[] = []

/** Index of the authority among the fields of a request. */
const authorityAt = 5

/** Target of the requests of a connection. */
export interface Http2Target {
  /** `http` or `https`. */
  readonly scheme: string
  /** Host and port, unless a request has its own `host`. */
  readonly authority: string
}

/** A request's fields for HTTP/2: pseudo-header fields first, names and values in turn. */
export function headersOf({ scheme, authority }: Http2Target, request: TransportRequest): readonly string[] {
  const { method, path, body, upgrade } = request
  const fields = [
    ':method',
    upgrade === undefined ? method : 'CONNECT',
    ':scheme',
    scheme,
    ':authority',
    authority,
    ':path',
    path,
  ]
  if (upgrade !== undefined) fields.push(':protocol', upgrade.toLowerCase())
  const hasLength = addFields(fields, request)
  if (!hasLength && (typeof body === 'string' || body instanceof Uint8Array)) {
    fields.push('content-length', String(Buffer.byteLength(body)))
  }
  // The library keeps them with the stream: a grown list has room for 17 more.
  return fields.slice()
}

/** Adds the fields of a request; `host` becomes the authority. @returns whether `content-length` is one of them */
function addFields(fields: string[], request: TransportRequest): boolean {
  let hasLength = false
  const rawHeaders = fitRawLength(request)
  if (rawHeaders) {
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] as string
      if (request.upgrade !== undefined && name.toLowerCase() === keyField) continue
      const isLength = addField(fields, 'rawHeaders', name, rawHeaders[index + 1] as string)
      hasLength ||= isLength
    }
    return hasLength
  }
  const headers = fitLength(request)
  for (const name in headers) {
    if (request.upgrade !== undefined && name === keyField) continue
    const isLength = addField(fields, 'headers', name, headers[name] as string)
    hasLength ||= isLength
  }
  return hasLength
}

/** @returns whether it is `content-length` */
function addField(fields: string[], path: string, given: string, value: string): boolean {
  // node:http2 does not validate fields.
  checkField(path, given, value)
  const name = given.toLowerCase()
  if (name === 'host') fields[authorityAt] = value
  // `trailers` is the only allowed value of `te`.
  if (forbidden.has(name) || (name === 'te' && value !== 'trailers')) return false
  fields.push(name, value)
  return name === 'content-length'
}

/** The `content-length` of a request; NaN if it has none. */
export function lengthOf({ headers, rawHeaders }: TransportRequest): number {
  if (!rawHeaders) return Number(headers['content-length'] ?? Number.NaN)
  const index = rawHeaders.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === 'content-length')
  return index === -1 ? Number.NaN : Number(rawHeaders[index + 1])
}

/**
 * Fields of a head or of trailers without pseudo-header fields, as a plain object. It is built from the raw list if no
 * name is repeated, as usual: the library's object has no stable shape, and copying it takes five times as long.
 */
export function fieldsOf(fields: IncomingHttpHeaders, raw: unknown): HeaderFields {
  if (!Array.isArray(raw)) return copyFields(fields)
  const plain: Record<string, string> = {}
  for (let index = raw[0] === ':status' ? 2 : 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    // The library joins repeated fields, or returns lists where required.
    if (plain[name] !== undefined || name === 'set-cookie') return copyFields(fields)
    plain[name] = raw[index + 1] as string
  }
  return plain
}

function copyFields(fields: IncomingHttpHeaders): HeaderFields {
  const plain: Record<string, string | string[] | undefined> = {}
  for (const name in fields) if (name !== ':status' && name !== '__proto__') plain[name] = fields[name]
  return plain
}

/** Raw fields without pseudo-header fields. */
export function withoutPseudo(raw: unknown): readonly string[] {
  if (!Array.isArray(raw)) return nothing
  const fields = raw as readonly string[]
  return fields[0] === ':status' ? fields.slice(2) : fields
}

/** Raw fields as an object for the library. It has no prototype: a field may be called `constructor`. */
export function toFields(flat: readonly string[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = Object.create(null)
  for (let index = 0; index < flat.length; index += 2) {
    const name = flat[index] as string
    const value = flat[index + 1] as string
    const before = fields[name]
    fields[name] = before === undefined ? value : [before, value].flat()
  }
  return fields
}
