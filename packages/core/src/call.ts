import type { Endpoint } from './endpoint.ts'
import type { SdError } from './errors.ts'

/** Header fields with names in lower case. */
export type HeaderFields = Readonly<Record<string, string | readonly string[] | undefined>>

/** The response of a call, before its body was read. */
export interface CallResponse {
  /** HTTP status. */
  readonly status: number
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
  /** The body as it arrives. Read or cancel it: until then its attempt counts as active. */
  readonly body: AsyncIterable<Uint8Array>
  /** The endpoint that answered. */
  readonly endpoint: Endpoint
}

/** One logical call, as call interceptors see it. */
export interface CallContext {
  /** Service that is called. */
  readonly service: string
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query; an interceptor may replace it. */
  path: string
  /** Request header fields, names in lower case; an interceptor may change them. */
  readonly headers: Record<string, string>
  /** When the call must have ended, by `performance.now()`; `Infinity` without a deadline. */
  readonly deadlineAt: number
  /** Fires when the call is aborted or out of time. Made on first use, because it costs. */
  readonly signal: AbortSignal
}

/** One attempt of a call, as attempt interceptors see it. */
export interface AttemptContext {
  /** The call. */
  readonly call: CallContext
  /** Where this attempt goes. */
  readonly endpoint: Endpoint
  /** Number of the attempt, from 1. */
  readonly attempt: number
  /** Header fields of this attempt; starts as a copy of the call's. */
  readonly headers: Record<string, string>
}

/** Wraps a logical call ({@link CallContext}) or one attempt ({@link AttemptContext}). The first of a list is the outermost. */
export type Interceptor<Context = CallContext> = (context: Context, next: () => Promise<CallResponse>) => Promise<CallResponse>

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
