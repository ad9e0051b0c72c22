import type { CallContext } from './call.ts'

/** Methods whose requests may be sent twice (RFC 9110, 9.2.2). */
export const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** The header field that makes a request with any method repeatable: the server answers a second one with the result of the first. */
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/** Whether a request may be sent twice: its method is idempotent, or it has an idempotency key. An empty one is none: the server can't know it again. */
export function isIdempotent(call: Pick<CallContext, 'method' | 'headers'>): boolean {
  // Some calls make their fields when they are asked for.
  return IDEMPOTENT_METHODS.has(call.method) || Boolean(call.headers[IDEMPOTENCY_HEADER]?.trim())
}
