import { type CallContext, checkDuration, checkFunction, checkOneOf } from '@sd/core'

/** Input for the limit of an attempt. */
export interface AttemptLimitRequest {
  /** Its call. */
  readonly call: CallContext
  /** Whether the request may be sent again: there is a retry policy, the method is idempotent, the body can be read again. */
  readonly mayRepeat: boolean
}

/** A time limit for attempts that follows the measured times. */
export interface AttemptLimit {
  /** The limit until the head of the response, in milliseconds; 0 for none, `undefined` for the value of `auto`. */
  currentMs(attempt: AttemptLimitRequest): number | undefined
  /**
   * Learns the time of a response until its head, in milliseconds. Failures, and responses with a status of 500 or
   * above, are not reported.
   *
   * @param now the time by `performance.now()`, if known
   */
  learn(latencyMs: number, call: CallContext, now?: number): void
}

/**
 * Validates the setting: milliseconds, `auto`, or a function that creates a limit. @throws SdError `SD_INVALID` that
 * names the field
 */
export function checkAttemptLimit(path: string, setting: unknown): void {
  if (typeof setting === 'string') checkOneOf(path, setting, ['auto'])
  else if (typeof setting === 'number') checkDuration(path, setting)
  else checkFunction(path, setting as () => unknown)
}
