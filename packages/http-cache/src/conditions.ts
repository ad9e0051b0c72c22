import { getField, type RawFields, withoutFields } from './fields.ts'
import { parseHttpDate } from './http-date.ts'
import type { StoredResponse } from './stored-response.ts'

/** Conditions of a client, which the cache decides itself. */
const conditional: ReadonlySet<string> = new Set(['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since'])
const ofValidation: ReadonlySet<string> = new Set([...conditional, 'if-range', 'range'])

/** Whether a request asks about a version that the client has: the cache can't answer for it by validating its own. */
export function hasPrecondition(request: RawFields): boolean {
  return getField(request, 'if-match') !== undefined || getField(request, 'if-unmodified-since') !== undefined
}

/** The fields of a request that validates a stored response (RFC 9111, 4.3.1). */
export function validationFields(request: RawFields, stored: StoredResponse): string[] {
  const fields = withoutFields(request, ofValidation)
  const etag = getField(stored.rawHeaders, 'etag')
  const modified = getField(stored.rawHeaders, 'last-modified')
  if (etag !== undefined) fields.push('if-none-match', etag)
  if (modified !== undefined) fields.push('if-modified-since', modified)
  return fields
}

/** The fields of a request for the whole response, without conditions. */
export function plainFields(request: RawFields): string[] {
  return withoutFields(request, ofValidation)
}

/** Whether the client has what is stored: 304 is the response then (RFC 9110, 13.2.2). */
export function isNotModified(request: RawFields, stored: StoredResponse): boolean {
  if (stored.status !== 200) return false
  const match = getField(request, 'if-none-match')
  if (match !== undefined) return matchesAny(match, getField(stored.rawHeaders, 'etag'))
  const since = parseHttpDate(getField(request, 'if-modified-since'))
  const modified = parseHttpDate(getField(stored.rawHeaders, 'last-modified'))
  return since !== undefined && modified !== undefined && modified <= since
}

/** Weak comparison with a list of entity tags, which may contain commas. */
function matchesAny(list: string, etag: string | undefined): boolean {
  if (list.trim() === '*') return true
  if (etag === undefined) return false
  const opaque = etag.replace(/^W\//, '')
  return list.match(/(?:W\/)?"[^"]*"|[^\s,]+/g)?.some((one) => one.replace(/^W\//, '') === opaque) ?? false
}

/** Whether a 304 response is about what is stored: another strong validator means another version. */
export function isAbout(stored: StoredResponse, received: RawFields): boolean {
  const etag = getField(received, 'etag')
  if (etag === undefined) return true
  const own = getField(stored.rawHeaders, 'etag')
  return own === undefined || own.replace(/^W\//, '') === etag.replace(/^W\//, '')
}
