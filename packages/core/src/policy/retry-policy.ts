import type { CallContext, HeaderFields } from '../call/call.ts'
import type { SdError } from '../errors.ts'

/** Result of an attempt, as input of a {@link RetryPolicy}. */
export interface AttemptResult {
  readonly call: CallContext
  /** Number of the attempt, starting at 1. */
  readonly attempt: number
  /** Status and header fields, if there was a response. */
  readonly response?: { readonly status: number; readonly headers: HeaderFields } | undefined
  /** The error, if there was no response. */
  readonly error?: SdError | undefined
  /** Whether the peer may have received the request. False only if no connection could be made. */
  readonly sent: boolean
  /** Whether the body can be sent again. */
  readonly replayable: boolean
}

/** Decides whether a call is retried. */
export interface RetryPolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /**
   * Returns the delay before the next attempt in milliseconds, or `undefined` to pass the result to the caller.
   * Synchronous. The client itself ensures that no attempt starts after the deadline.
   */
  next(result: AttemptResult): number | undefined
}
