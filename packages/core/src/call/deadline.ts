import { checkBoolean, checkDuration, checkKnownKeys, MAX_DURATION_MS } from '../validate.ts'
import type { HeaderFields } from './call.ts'

/** The header field that passes the remaining time of a call to the server, in whole milliseconds. */
export const DEADLINE_HEADER = 'x-request-timeout-ms'

/** Options of {@link readDeadline}. */
export interface ReadDeadlineOptions {
  /**
   * Whether to trust the caller. Set it to false at an edge with unknown callers: then only your own deadlines apply.
   *
   * @default true
   */
  readonly trusted?: boolean
  /** Lower limit of a deadline, in milliseconds. A shorter one is raised to this value. @default 0 */
  readonly floorMs?: number
}

/**
 * Returns the time by which an incoming request must be answered, by `performance.now()`. Pass it as `deadlineAt` to the
 * calls that you make for the request, so that no work is done for a caller that has given up.
 *
 * @param headers of the incoming request, names in lower case
 * @returns `undefined` if the caller set no deadline, sent an invalid one, or is not trusted
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
