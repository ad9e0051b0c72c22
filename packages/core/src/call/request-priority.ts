import type { CallPriority } from '../policy/admission.ts'
import { checkBoolean, checkKnownKeys } from '../validate.ts'
import type { HeaderFields } from './call.ts'

/** The header field that passes the priority of a call to the server; absent if the call has none. */
export const PRIORITY_HEADER = 'x-request-priority'

/** Options of {@link readPriority}. */
export interface ReadPriorityOptions {
  /** Whether to trust the caller. Set it to false at an edge with unknown callers. @default true */
  readonly trusted?: boolean
}

/**
 * Returns the priority of an incoming request. Pass it as `priority` to the calls that you make for the request, and to
 * your own concurrency limit.
 *
 * @param headers of the incoming request, names in lower case
 * @returns `undefined` if the caller set none, sent an invalid one, or is not trusted
 * @throws SdError `SD_INVALID` that names the option
 */
export function readPriority(headers: HeaderFields, options: ReadPriorityOptions = {}): CallPriority | undefined {
  checkKnownKeys('', options, ['trusted'])
  if (!checkBoolean('trusted', options.trusted ?? true)) return undefined
  const text = headers[PRIORITY_HEADER]
  return text === 'critical' || text === 'batch' || text === 'default' ? text : undefined
}
