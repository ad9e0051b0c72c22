/** How a request was answered, for the field `cache-status` (RFC 9211). */
export interface StatusInit {
  readonly hit?: boolean
  /** Why it was forwarded. */
  readonly fwd?: 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'request' | 'stale' | 'partial' | 'miss'
  readonly fwdStatus?: number | undefined
  /** Time until the response is stale, in milliseconds. */
  readonly ttlMs?: number
  readonly stored?: boolean
  /** Whether it waited for another request instead of being sent itself. */
  readonly collapsed?: boolean
  readonly detail?: 'error' | 'timeout' | 'only-if-cached'
}

/** The member of `cache-status` for this cache. */
export function formatCacheStatus(name: string, init: StatusInit): string {
  const parts = [name]
  if (init.hit) parts.push('hit')
  if (init.fwd) parts.push(`fwd=${init.fwd}`)
  if (init.fwdStatus !== undefined) parts.push(`fwd-status=${init.fwdStatus}`)
  if (init.ttlMs !== undefined) parts.push(`ttl=${Math.floor(init.ttlMs / 1_000)}`)
  if (init.stored) parts.push('stored')
  if (init.collapsed) parts.push('collapsed')
  if (init.detail) parts.push(`detail=${init.detail}`)
  return parts.join('; ')
}
