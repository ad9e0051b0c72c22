import { SdError } from '../errors.ts'
import type { Backoff } from './backoff.ts'

/** Header fields as `@sd/client`, undici, Node or `fetch` provide them. Names are in lower case, except in a `Headers` object. */
export type ReadableHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** Result of `readServerDelay` for a server that does not want another attempt. */
const NEVER_RETRY = -1

// RFC 9110, section 5.6.7: the preferred format and the two obsolete ones; asctime has no zone. `Date.parse` alone
// accepts too much.
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d(?: GMT| \d{4})$/

/**
 * Returns how long a server asks clients to wait before the next attempt: `grpc-retry-pushback-ms`, otherwise
 * `Retry-After` in seconds or as an HTTP date. A date is relative to the server's own `Date` header, so the two clocks
 * need not agree.
 *
 * @returns milliseconds; -1 if the server asks for no further attempt (a pushback that is negative or unreadable);
 * `undefined` without either header
 * @see https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback
 */
export function readServerDelay(headers: ReadableHeaders): number | undefined {
  const pushback = readField(headers, 'grpc-retry-pushback-ms')
  if (pushback !== undefined) return /^\d+$/.test(pushback) ? Number(pushback) : NEVER_RETRY
  const retryAfter = readField(headers, 'retry-after')?.trim()
  if (retryAfter === undefined) return undefined
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter) * 1000
  const at = parseHttpDate(retryAfter)
  if (at === undefined) return undefined
  return Math.max(0, at - (parseHttpDate(readField(headers, 'date') ?? '') ?? Date.now()))
}

/** Longest delay that is honoured, in milliseconds. A server that asks for a day must not block a client for a day. */
const longestDelayMs = 3_600_000

/**
 * Returns how long to wait before the next attempt: what the server asked for, up to an hour, but at least the next delay
 * of the backoff.
 *
 * @param error the error of the attempt; `SdError.retryAfterMs` is what the server asked for
 * @returns milliseconds
 */
export function delayBeforeRetry(backoff: Backoff, error: unknown): number {
  const asked = error instanceof SdError ? (error.retryAfterMs ?? 0) : 0
  return Math.max(backoff.next(), Math.min(asked, longestDelayMs))
}

function parseHttpDate(text: string): number | undefined {
  if (!httpDate.test(text)) return undefined
  const at = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(at) ? undefined : at
}

function readField(headers: ReadableHeaders, name: string): string | undefined {
  const value = isHeaders(headers) ? headers.get(name) : headers[name]
  return (typeof value === 'object' ? value?.join(', ') : value) ?? undefined
}

function isHeaders(headers: ReadableHeaders): headers is { get(name: string): string | null } {
  return typeof headers['get'] === 'function'
}
