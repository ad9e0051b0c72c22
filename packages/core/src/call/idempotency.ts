import type { CallContext } from './call.ts'

/** Methods whose requests may be sent twice (RFC 9110, section 9.2.2). */
export const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * The header field that makes a request with any method repeatable: the server responds to a duplicate with the result of
 * the first.
 */
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/**
 * Whether a request may be sent twice: its method is idempotent, or it has an idempotency key. An empty key is ignored
 * because the server can't match it.
 */
export function isIdempotent(call: Pick<CallContext, 'method' | 'headers'>): boolean {
  // Some calls create their header fields on first access.
  return IDEMPOTENT_METHODS.has(call.method) || Boolean(call.headers[IDEMPOTENCY_HEADER]?.trim())
}
