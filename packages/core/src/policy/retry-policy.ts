import type { CallContext, HeaderFields } from '../call/call.ts'
import type { SdError } from '../errors.ts'

/** How an attempt went, for a {@link RetryPolicy} to judge. */
export interface AttemptResult {
  /** The call. */
  readonly call: CallContext
  /** Number of the attempt that ended, from 1. */
  readonly attempt: number
  /** Status and header fields, if an answer came. */
  readonly response?: { readonly status: number; readonly headers: HeaderFields } | undefined
  /** How it failed, if no answer came. */
  readonly error?: SdError | undefined
  /** Whether the peer may have seen the request. False only if the connection could not be made. */
  readonly sent: boolean
  /** Whether the body can be sent again. */
  readonly replayable: boolean
}

/** Decides whether a call is tried again. */
export interface RetryPolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /**
   * Delay before the next attempt in milliseconds, or `undefined` to hand the result to the caller. Synchronous. The client
   * itself sees to it that nothing is tried again after the deadline.
   */
  next(result: AttemptResult): number | undefined
}
