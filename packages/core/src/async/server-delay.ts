import { SdError } from '../errors.ts'
import type { Backoff } from './backoff.ts'

/** Header fields as `@sd/client`, undici, Node or `fetch` give them; names in lower case, unless it is a `Headers`. */
export type ReadableHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** What a server says about trying again. */
const NEVER_RETRY = -1

// RFC 9110, 5.6.7: the preferred format and the two obsolete ones; asctime's lacks the zone. Date.parse alone takes nearly anything.
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d(?: GMT| \d{4})$/

/**
 * How long a server asks to wait before the next attempt: `grpc-retry-pushback-ms`, or else `Retry-After` in seconds or as HTTP date. A
 * date counts from the server's own `Date`, so that its clock need not be ours.
 *
 * @returns milliseconds; -1 if it asks not to try again (a pushback that is negative or can't be read); `undefined` if it says nothing
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

/** Longest that a server is obeyed, in milliseconds: one that asks for a day must not silence us for a day. */
const longestDelayMs = 3_600_000

/**
 * How long to wait before something is tried again: as long as the server asked for, up to an hour, and at least the next delay of the backoff.
 *
 * @param error what the attempt failed with; `SdError.retryAfterMs` is what the server asked for
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
