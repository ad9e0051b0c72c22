import { formatCacheStatus, type StatusInit } from './cache-status.ts'
import { isNotModified } from './conditions.ts'
import { getField, type RawFields, withoutFields } from './fields.ts'
import { ageMs } from './freshness.ts'
import { readRange } from './ranges.ts'
import type { StoredResponse } from './stored-response.ts'

/** A response from the cache, complete. */
export interface CacheResponse {
  readonly status: number
  /** Names in lower case and values in turn, without `content-length`. */
  readonly rawHeaders: RawFields
  /** The body, for HEAD also: its length is that of the response to GET. */
  readonly body: Uint8Array
  /** Trailer fields, names and values in turn. */
  readonly rawTrailers: RawFields
}

const none = new Uint8Array(0)

/** Fields that a 304 response does not have: the client has them with its body (RFC 9110, 15.4.5). */
const ofContent: ReadonlySet<string> = new Set(['content-encoding', 'content-language', 'content-range', 'content-type'])

/** The response to a request from what is stored: all of it, a part, or that it is not modified. */
export function answer(
  stored: StoredResponse,
  request: { readonly method: string; readonly rawHeaders: RawFields },
  { name, now, ...status }: { readonly name: string; readonly now: number } & StatusInit,
): CacheResponse {
  const own = [
    ...(getField(stored.rawHeaders, 'date') === undefined ? ['date', new Date(stored.receivedAt).toUTCString()] : []),
    'age',
    String(Math.floor(ageMs(stored, now) / 1_000)),
    'cache-status',
    formatCacheStatus(name, status),
  ]
  const { rawHeaders, body, rawTrailers } = stored
  if (isNotModified(request.rawHeaders, stored)) {
    return { status: 304, rawHeaders: [...withoutFields(rawHeaders, ofContent), ...own], body: none, rawTrailers: [] }
  }
  const range = request.method === 'GET' ? readRange(request.rawHeaders, stored) : undefined
  if (range === 'none') {
    return {
      status: 416,
      rawHeaders: [...own.slice(-2), 'content-range', `bytes */${body.byteLength}`],
      body: none,
      rawTrailers: [],
    }
  }
  if (!range) return { status: stored.status, rawHeaders: [...rawHeaders, ...own], body, rawTrailers }
  const { start, end } = range
  const position = ['content-range', `bytes ${start}-${end}/${body.byteLength}`]
  return { status: 206, rawHeaders: [...rawHeaders, ...own, ...position], body: body.subarray(start, end + 1), rawTrailers: [] }
}
