import { type Directives, durationOf } from './directives.ts'
import { getField, type RawFields } from './fields.ts'
import { parseHttpDate } from './http-date.ts'
import { type CacheKind, readPolicy } from './response-policy.ts'
import type { StoredResponse } from './stored-response.ts'

/** Statuses whose responses may be stored without an explicit time (RFC 9110, 15.1), except 206. */
const heuristic: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])

const mostHeuristicMs = 86_400_000

/** Whether a response may have a heuristic time. */
export function isHeuristic(status: number, directives: Directives): boolean {
  return heuristic.has(status) || directives.has('public')
}

/** How long a response is fresh after it was generated, in milliseconds (RFC 9111, 4.2.1). */
export function lifetimeMs(
  { status, rawHeaders, receivedAt }: Pick<StoredResponse, 'status' | 'rawHeaders' | 'receivedAt'>,
  kind: CacheKind,
): number {
  const { directives, expires } = readPolicy(rawHeaders, kind)
  const explicit = (kind.isShared ? durationOf(directives, 's-maxage') : undefined) ?? durationOf(directives, 'max-age')
  if (explicit !== undefined) return explicit
  const date = parseHttpDate(getField(rawHeaders, 'date')) ?? receivedAt
  if (expires !== undefined) return Math.max(0, (parseHttpDate(expires) ?? 0) - date)
  const modified = parseHttpDate(getField(rawHeaders, 'last-modified'))
  if (modified === undefined || !isHeuristic(status, directives)) return 0
  return Math.min(mostHeuristicMs, Math.max(0, 0.1 * (date - modified)))
}

/** Age of a response when it arrives, in milliseconds (RFC 9111, 4.2.3). */
export function initialAgeMs(rawHeaders: RawFields, requestedAt: number, receivedAt: number): number {
  const date = parseHttpDate(getField(rawHeaders, 'date')) ?? receivedAt
  const first = getField(rawHeaders, 'age')?.split(',')[0]?.trim() ?? ''
  const ageMs = /^\d+$/.test(first) ? Math.min(Number(first), 2_147_483_648) * 1_000 : 0
  return Math.max(0, receivedAt - date, ageMs + receivedAt - requestedAt)
}

/** Age of a stored response, in milliseconds. */
export function ageMs({ initialAgeMs: initial, receivedAt }: StoredResponse, now: number): number {
  // The clock of the system may be set back.
  return initial + Math.max(0, now - receivedAt)
}

/** What a request and a stored response allow. */
export interface Verdict {
  /** `fresh`: use it. `stale`: use it although it is stale. `refresh`: use it, and validate it. `validate`: ask first. */
  readonly use: 'fresh' | 'stale' | 'refresh' | 'validate'
  readonly ageMs: number
  /** Time until it is stale, in milliseconds; negative if it is. */
  readonly ttlMs: number
  /** How long after it became stale it may stand in for an error response, in milliseconds; 0 if it may not. */
  readonly staleIfErrorMs: number
  /** The same for a service without a response. */
  readonly staleIfUnreachableMs: number
}

/** Judges a stored response for a request (RFC 9111, 4.2 and 5.2; RFC 5861). */
export function judge(
  stored: StoredResponse,
  request: Directives,
  { kind, now, staleIfUnreachableMs }: { readonly kind: CacheKind; readonly now: number; readonly staleIfUnreachableMs: number },
): Verdict {
  const { isShared } = kind
  const { directives } = readPolicy(stored.rawHeaders, kind)
  const age = ageMs(stored, now)
  const ttlMs = lifetimeMs(stored, kind) - age
  const isStrict =
    directives.has('must-revalidate') || directives.has('no-cache') || (isShared && directives.has('proxy-revalidate'))
  // What a response says itself is more than what s-maxage implies.
  const isImplied = isShared && directives.has('s-maxage')
  const staleIfErrorMs = isStrict
    ? 0
    : Math.max(durationOf(directives, 'stale-if-error') ?? 0, isImplied ? 0 : (durationOf(request, 'stale-if-error') ?? 0))
  const verdict = {
    ageMs: age,
    ttlMs,
    staleIfErrorMs,
    staleIfUnreachableMs: isStrict ? 0 : Math.max(staleIfErrorMs, isImplied ? 0 : staleIfUnreachableMs),
  }
  const isReload = request.has('no-cache')
  if (isReload || directives.has('no-cache')) return { ...verdict, use: 'validate' }
  const maxAge = durationOf(request, 'max-age')
  // RFC 8246: a reload does not ask about what never changes while it is fresh.
  const isTooOld = maxAge !== undefined && age > maxAge && !(directives.has('immutable') && ttlMs > 0)
  const minFresh = durationOf(request, 'min-fresh') ?? 0
  if (!isTooOld && ttlMs > 0 && ttlMs >= minFresh) return { ...verdict, use: 'fresh' }
  if (isStrict || ttlMs > 0 || isTooOld) return { ...verdict, use: 'validate' }
  if (
    minFresh === 0 &&
    -ttlMs <= (durationOf(directives, 'stale-while-revalidate') ?? 0) &&
    directives.has('stale-while-revalidate')
  )
    return { ...verdict, use: 'refresh' }
  return { ...verdict, use: !isImplied && isWithinMaxStale(request, -ttlMs) ? 'stale' : 'validate' }
}

function isWithinMaxStale(request: Directives, staleMs: number): boolean {
  const value = request.get('max-stale')
  return value !== undefined && (value === '' || staleMs <= (durationOf(request, 'max-stale') ?? 0))
}
