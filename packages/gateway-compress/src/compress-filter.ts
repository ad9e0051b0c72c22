import { checkInteger, checkKnownKeys, SdError } from '@sd/core'
import type { FilterFactory, GatewayExchange, GatewayFilter, GatewayReply, GatewayResponse } from '@sd/gateway'
import type { Coding } from './codings.ts'
import { type ResolvedCompress, readCompressOptions } from './compress-options.ts'
import { decodeBody } from './decoding.ts'
import { encodeBody } from './encoding.ts'
import { hasWeakForm, toStrongTags, toWeakTag } from './entity-tags.ts'
import { negotiateCoding, toCoding } from './negotiate.ts'
import { StreamPool } from './stream-pool.ts'

/** Options of {@link createCompressFilter}. */
export interface CompressParts {
  /**
   * Bodies that are encoded or decoded at the same time, on all routes. Responses beyond it are sent as they are, and
   * requests with a body to decode get 503. Each takes 0.5 to 2.5 MB at the default levels.
   *
   * @default 128
   */
  readonly concurrency?: number
}

/**
 * Creates the filter `compress`, which encodes responses of a route, and decodes its requests, with {@link CompressOptions}.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createCompressFilter(parts: CompressParts = {}): FilterFactory {
  checkKnownKeys('', parts, ['concurrency'])
  const pool = new StreamPool(checkInteger('concurrency', parts.concurrency ?? 128, { min: 1, max: 100_000 }))
  return (options) => createFilter(readCompressOptions(options), pool)
}

function createFilter(options: ResolvedCompress, pool: StreamPool): GatewayFilter {
  return {
    onRequest(exchange) {
      const condition = exchange.header('if-match')
      if (condition !== undefined) exchange.setHeader('if-match', toStrongTags(condition))
      return decodeRequest(options, pool, exchange)
    },
    onResponse(exchange, response) {
      if (response.status === 304) weakenNotModified(exchange, response)
      else if (isEncodable(options, response)) {
        addVary(response)
        const coding = isExcluded(options, exchange)
          ? undefined
          : negotiateCoding(exchange.header('accept-encoding'), options.encodings)
        if (coding !== undefined && !pool.isFull) encode(options, pool, response, coding)
      }
    },
  }
}

/** They are about the bytes that the service has sent, and would be wrong for others. */
const fieldsOfBytes = ['content-range', 'content-digest', 'repr-digest', 'digest', 'content-md5'] as const

/** Whether a response would have another form for a client that accepts it. */
function isEncodable({ types, minBytes }: ResolvedCompress, response: GatewayResponse): boolean {
  const { status } = response
  if (status < 200 || status === 204 || status === 205 || status === 206) return false
  const coding = response.header('content-encoding')
  if (coding !== undefined && toCoding(coding.trim()) !== 'identity') return false
  if (forbidsTransform(response.header('cache-control'))) return false
  if (Number(response.header('content-length') ?? Number.POSITIVE_INFINITY) < minBytes) return false
  const type = response.header('content-type')
  if (type === undefined || !types.has(type)) return false
  return fieldsOfBytes.every((name) => response.header(name) === undefined)
}

function forbidsTransform(cacheControl: string | undefined): boolean {
  return cacheControl !== undefined && /(?:^|,)\s*no-transform\s*(?:,|$)/i.test(cacheControl)
}

/** Whether the request says that its response is sent as it is. */
function isExcluded({ excludeCookies, excludePaths }: ResolvedCompress, exchange: GatewayExchange): boolean {
  if (forbidsTransform(exchange.header('cache-control'))) return true
  if (excludeCookies.length > 0) {
    const cookies = exchange.header('cookie')?.split(';') ?? []
    const names = cookies.map((cookie) => cookie.split('=', 1)[0]?.trim() ?? '')
    if (names.some((name) => excludeCookies.includes(name))) return true
  }
  if (excludePaths.length === 0) return false
  const path = decodeEscapes(exchange.path.split('?', 1)[0] as string)
  return excludePaths.some((excluded) => {
    if (!excluded.endsWith('/*')) return path === excluded
    return path === excluded.slice(0, -2) || path.startsWith(excluded.slice(0, -1))
  })
}

/** The server behind decodes escapes, so that `/%61ccount` is `/account`. */
function decodeEscapes(path: string): string {
  return path.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function encode(options: ResolvedCompress, pool: StreamPool, response: GatewayResponse, coding: Coding): void {
  const flushes = response.header('content-length') === undefined
  response.setHeader('content-encoding', coding)
  // The service counts bytes without a coding.
  response.removeHeader('accept-ranges')
  const tag = response.header('etag')
  if (tag !== undefined) response.setHeader('etag', toWeakTag(tag))
  response.transformBody(encodeBody(coding, { level: options.levels[coding], flushes, pool }))
}

/** A cache has the response under its weak tag, and would not find it by the strong one (RFC 9111, 4.3.4). */
function weakenNotModified(exchange: GatewayExchange, response: GatewayResponse): void {
  const tag = response.header('etag')
  if (tag === undefined || !hasWeakForm(exchange.header('if-none-match') ?? '', tag)) return
  response.setHeader('etag', toWeakTag(tag))
  addVary(response)
}

function addVary(response: GatewayResponse): void {
  const names = response.header('vary')?.toLowerCase().split(',') ?? []
  if (!names.some((name) => name.trim() === 'accept-encoding' || name.trim() === '*')) {
    response.addHeader('vary', 'accept-encoding')
  }
}

function decodeRequest({ decompress }: ResolvedCompress, pool: StreamPool, exchange: GatewayExchange): GatewayReply | undefined {
  const given = exchange.header('content-encoding')
  if (!decompress || given === undefined || exchange.header('content-digest') !== undefined) return undefined
  const coding = toCoding(given.trim())
  if (coding !== 'identity') {
    const known = decompress.encodings.find((one) => one === coding)
    if (!known) return unsupported(decompress.encodings)
    if (pool.isFull) throw new SdError('SD_REJECTED', 'Too many bodies are encoded or decoded', { retryAfterMs: 1_000 })
    exchange.transformBody(decodeBody(known, decompress, pool))
  }
  exchange.removeHeader('content-encoding')
  return undefined
}

/** RFC 9110, 15.5.16: `accept-encoding` says what would be accepted. */
function unsupported(encodings: readonly Coding[]): GatewayReply {
  return {
    status: 415,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'accept-encoding': encodings.join(', ') },
    body: `The content-encoding of the request is not supported. Supported are ${encodings.join(', ')}.\n`,
  }
}
