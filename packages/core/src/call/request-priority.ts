import type { CallPriority } from '../policy/admission.ts'
import { checkBoolean, checkKnownKeys } from '../validate.ts'
import type { HeaderFields } from './call.ts'

/** The header field that carries the priority of a call downstream; absent where the call has none. */
export const PRIORITY_HEADER = 'x-request-priority'

/** Options of {@link readPriority}. */
export interface ReadPriorityOptions {
  /** Whether the caller is believed. Set it to false at an edge, where callers are strangers. @default true */
  readonly trusted?: boolean
}

/**
 * How much a request that came in matters: hand it to the calls that you make for it as `priority`, and to your own concurrency limit.
 *
 * @param headers of the incoming request, names in lower case
 * @returns `undefined` if the caller set none, sent nonsense, or is not trusted
 * @throws SdError `SD_INVALID` that names the option
 */
export function readPriority(headers: HeaderFields, options: ReadPriorityOptions = {}): CallPriority | undefined {
  checkKnownKeys('', options, ['trusted'])
  if (!checkBoolean('trusted', options.trusted ?? true)) return undefined
  const text = headers[PRIORITY_HEADER]
  return text === 'critical' || text === 'batch' || text === 'default' ? text : undefined
}
