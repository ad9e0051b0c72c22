import type { CallContext } from './call.ts'

/** Methods whose requests may be sent twice (RFC 9110, section 9.2.2). */
export const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * The header field that makes a request with any method repeatable: the server responds to a duplicate with the result of
 * the first.
 */
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/** A call that can look up one field without creating the others. */
interface FieldSource {
  /** @param name in lower case */
  header?(name: string): string | undefined
}

/**
 * Whether a request may be sent twice: its method is idempotent, or it has an idempotency key. An empty key is ignored
 * because the server can't match it.
 */
export function isIdempotent(call: Pick<CallContext, 'method' | 'headers'> & FieldSource): boolean {
  if (IDEMPOTENT_METHODS.has(call.method)) return true
  // Some calls create their header fields on first access.
  const key = call.header ? call.header(IDEMPOTENCY_HEADER) : call.headers[IDEMPOTENCY_HEADER]
  return Boolean(key?.trim())
}
