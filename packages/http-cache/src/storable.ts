import { type Directives, durationOf } from './directives.ts'
import { getField, type RawFields } from './fields.ts'
import { isHeuristic, lifetimeMs } from './freshness.ts'
import { type CacheKind, readPolicy } from './response-policy.ts'
import { varyNames } from './selection.ts'

/** Statuses that the cache understands, for `must-understand`. */
const understood: ReadonlySet<number> = new Set([
  200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503, 504,
])

/** What decides whether a response is stored. */
export interface StorableInit {
  readonly kind: CacheKind
  /** Whether a shared cache stores responses that set cookies. */
  readonly storesCookies: boolean
  readonly method: string
  /** Whether the response may be for one user only. */
  readonly hasCredentials: boolean
  readonly requestDirectives: Directives
  readonly status: number
  readonly rawHeaders: RawFields
  readonly now: number
}

/** Whether a response may be stored, and would be of use (RFC 9111, 3). */
export function isStorable(init: StorableInit): boolean {
  const { kind, storesCookies, method, hasCredentials, requestDirectives, status, rawHeaders, now } = init
  // 206 responses are parts, and 304 responses are none.
  if (method !== 'GET' || status < 200 || status === 206 || status === 304) return false
  const { isShared } = kind
  const { directives, expires } = readPolicy(rawHeaders, kind)
  const mustUnderstand = directives.has('must-understand')
  if (mustUnderstand && !understood.has(status)) return false
  if (requestDirectives.has('no-store') || (directives.has('no-store') && !mustUnderstand)) return false
  if (varyNames(rawHeaders) === undefined) return false
  if (isShared) {
    if (directives.has('private')) return false
    if (!storesCookies && getField(rawHeaders, 'set-cookie') !== undefined) return false
    const allowsAuthorization = ['public', 's-maxage', 'must-revalidate'].some((name) => directives.has(name))
    if (hasCredentials && !allowsAuthorization) return false
  }
  const isExplicit = directives.has('max-age') || (isShared && directives.has('s-maxage')) || expires !== undefined
  if (!isExplicit && !isHeuristic(status, directives) && !(directives.has('private') && !isShared)) return false
  return hasValidator(rawHeaders) || usefulMs({ status, rawHeaders, receivedAt: now }, kind) > 0
}

/** Whether a response can be validated. */
export function hasValidator(rawHeaders: RawFields): boolean {
  return getField(rawHeaders, 'etag') !== undefined || getField(rawHeaders, 'last-modified') !== undefined
}

/** How long a response can be used without validation, fresh or stale, in milliseconds. */
export function usefulMs(response: Parameters<typeof lifetimeMs>[0], kind: CacheKind): number {
  const { directives } = readPolicy(response.rawHeaders, kind)
  if (directives.has('no-cache')) return 0
  const stale = Math.max(durationOf(directives, 'stale-while-revalidate') ?? 0, durationOf(directives, 'stale-if-error') ?? 0)
  return lifetimeMs(response, kind) + stale
}

/** Names by which a response can be purged. */
export function tagsOf(rawHeaders: RawFields): readonly string[] {
  const tags = [
    ...(getField(rawHeaders, 'cache-tag')?.split(',') ?? []),
    ...(getField(rawHeaders, 'surrogate-key')?.split(/[\s,]+/) ?? []),
  ]
  return [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ''))].slice(0, 100)
}
