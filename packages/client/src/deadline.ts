import { type HeaderFields, MAX_DURATION_MS } from '@sd/core'

/** The header field that carries the remaining time of a call downstream, in whole milliseconds. */
export const DEADLINE_HEADER = 'x-request-timeout-ms'

/**
 * When a request that came in must have been answered, by `performance.now()`: hand it to the calls that you make for it as
 * `deadlineAt`, so that nobody works for a caller who has given up.
 *
 * @param headers of the incoming request, names in lower case
 * @returns `undefined` if the caller set no deadline, or sent nonsense
 */
export function readDeadline(headers: HeaderFields): number | undefined {
  const text = headers[DEADLINE_HEADER]
  if (typeof text !== 'string' || !/^\d{1,10}$/.test(text)) return undefined
  return performance.now() + Math.min(Number(text), MAX_DURATION_MS)
}
