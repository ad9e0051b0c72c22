import { checkBoolean, checkDuration, checkKnownKeys, MAX_DURATION_MS } from '../validate.ts'
import type { HeaderFields } from './call.ts'

/** The header field that carries the remaining time of a call downstream, in whole milliseconds. */
export const DEADLINE_HEADER = 'x-request-timeout-ms'

/** Options of {@link readDeadline}. */
export interface ReadDeadlineOptions {
  /**
   * Whether the caller is believed. Set it to false at an edge, where callers are strangers: then there is no deadline but your own.
   *
   * @default true
   */
  readonly trusted?: boolean
  /** Shortest deadline that is believed, in milliseconds; a shorter one becomes this. @default 0 */
  readonly floorMs?: number
}

/**
 * When a request that came in must have been answered, by `performance.now()`: hand it to the calls that you make for it as
 * `deadlineAt`, so that no work is done for a caller that has given up.
 *
 * @param headers of the incoming request, names in lower case
 * @returns `undefined` if the caller set no deadline, sent nonsense, or is not trusted
 * @throws SdError `SD_INVALID` that names the option
 */
export function readDeadline(headers: HeaderFields, options: ReadDeadlineOptions = {}): number | undefined {
  checkKnownKeys('', options, ['trusted', 'floorMs'])
  const floorMs = checkDuration('floorMs', options.floorMs ?? 0)
  if (!checkBoolean('trusted', options.trusted ?? true)) return undefined
  const text = headers[DEADLINE_HEADER]
  if (typeof text !== 'string' || !/^\d{1,10}$/.test(text)) return undefined
  return performance.now() + Math.min(Math.max(Number(text), floorMs), MAX_DURATION_MS)
}
