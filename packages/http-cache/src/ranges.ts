import { getField, type RawFields } from './fields.ts'
import { parseHttpDate } from './http-date.ts'
import type { StoredResponse } from './stored-response.ts'

/** A part of a body, `end` included; or `none` if the body has no such part. */
export type ByteRange = { readonly start: number; readonly end: number } | 'none'

/**
 * The part of a stored response that a request wants (RFC 9110, 14.2).
 *
 * @returns `undefined` for the whole: no range, several ranges, another unit, or a condition that does not hold
 */
export function readRange(request: RawFields, stored: StoredResponse): ByteRange | undefined {
  const [, first = '', last = ''] = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(getField(request, 'range') ?? '') ?? []
  if (stored.status !== 200 || (first === '' && last === '')) return undefined
  if (!holdsIfRange(getField(request, 'if-range'), stored)) return undefined
  const { byteLength } = stored.body
  if (first === '') {
    const length = Math.min(Number(last), byteLength)
    return length === 0 ? 'none' : { start: byteLength - length, end: byteLength - 1 }
  }
  const start = Number(first)
  const end = last === '' ? byteLength - 1 : Math.min(Number(last), byteLength - 1)
  if (last !== '' && Number(last) < start) return undefined
  return start >= byteLength ? 'none' : { start, end }
}

/** Strong comparison: a part of another version must not be joined with what the client has. */
function holdsIfRange(condition: string | undefined, stored: StoredResponse): boolean {
  if (condition === undefined) return true
  const etag = getField(stored.rawHeaders, 'etag')
  if (condition.startsWith('"')) return condition === etag
  const date = parseHttpDate(condition)
  return date !== undefined && date === parseHttpDate(getField(stored.rawHeaders, 'last-modified'))
}
