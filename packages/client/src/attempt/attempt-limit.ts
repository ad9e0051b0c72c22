import { type CallContext, checkDuration, checkFunction, checkOneOf } from '@sd/core'

/** What is known of an attempt that begins. */
export interface AttemptLimitRequest {
  /** Its call. */
  readonly call: CallContext
  /** Whether the request may be sent again: there is a retry policy, the method is idempotent, the body can be read again. */
  readonly mayRepeat: boolean
}

/** A time limit for attempts that follows what it measures. */
export interface AttemptLimit {
  /** The limit until the head of the response, in milliseconds; 0 for none, `undefined` for what `auto` means. */
  currentMs(attempt: AttemptLimitRequest): number | undefined
  /**
   * Learns how long a response took until its head, in milliseconds. Failures, and responses with a status from 500 on, are not reported.
   *
   * @param now the time by `performance.now()`, where it is known
   */
  learn(latencyMs: number, call: CallContext, now?: number): void
}

/** Checks the setting: milliseconds, `auto`, or a function that makes a limit. @throws SdError `SD_INVALID` that names the field */
export function checkAttemptLimit(path: string, setting: unknown): void {
  if (typeof setting === 'string') checkOneOf(path, setting, ['auto'])
  else if (typeof setting === 'number') checkDuration(path, setting)
  else checkFunction(path, setting as () => unknown)
}
