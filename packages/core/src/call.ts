import type { Endpoint } from './endpoint.ts'
import type { SdError } from './errors.ts'
import type { Outcome } from './outcome.ts'
import type { CallPriority } from './policy.ts'

/** Header fields with names in lower case. */
export type HeaderFields = Readonly<Record<string, string | readonly string[] | undefined>>

/** What may be sent as a body. Strings, bytes and form fields can be sent again on a second attempt; streams can't once they were read. */
export type RequestBody =
  | string
  | Uint8Array
  | ArrayBuffer
  | ArrayBufferView
  | URLSearchParams
  | FormData
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>

/** The response of a call, before its body was read. */
export interface CallResponse {
  /** HTTP status. */
  readonly status: number
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
  /** The reason phrase; empty or absent where there is none, as in HTTP/2. */
  readonly statusText?: string | undefined
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
  /**
   * The request body as the caller gave it, JSON as its text. An interceptor may replace it: it is made ready to be sent afterwards. A
   * `content-length` among the header fields must fit what is left here.
   */
  body?: RequestBody | undefined
  /** When the call started, by `performance.now()`. */
  readonly startedAt: number
  /** When the call must have ended, by `performance.now()`; `Infinity` without a deadline. */
  readonly deadlineAt: number
  /** Fires when the call is aborted or out of time. Made on first use, because it costs. */
  readonly signal: AbortSignal
  /** How much it matters to concurrency limits. @default 'default' */
  readonly priority?: CallPriority | undefined
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

/**
 * Wraps a logical call ({@link CallContext}) or one attempt ({@link AttemptContext}). The first of a list is the outermost.
 *
 * `next` may be called again, also while it is under way: after a 401 and a new token, for example. Each time the policies are asked again, or the
 * request is sent again. A response that was not read is dropped then, unless it has come as a whole. What is still under way when the
 * interceptor returns, and is not what it returns, is ended; `next` rejects with `SD_ABORTED` from then on.
 */
export type Interceptor<Context = CallContext> = (context: Context, next: () => Promise<CallResponse>) => Promise<CallResponse>

/** Methods whose requests may be sent twice (RFC 9110, 9.2.2). */
export const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

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

/** One of the attempts of which the first answer wins, as the function that makes it sees it. */
export interface HedgedAttempt {
  /** Its number, from 1. */
  readonly attempt: number
  /** Fires when another attempt has won, or the caller aborts before there is an answer. */
  readonly signal: AbortSignal
}

/** How one of those attempts ended: with a value, or with an error. */
export interface HedgedEnd<T> {
  /** Its number, from 1. */
  readonly attempt: number
  /** What it returned. */
  readonly value?: T
  /** What it threw; `undefined` if it returned. */
  readonly error?: unknown
}

/** What a {@link HedgePolicy} asks and tells its caller. */
export interface HedgeHooks<T> {
  /** Ends all attempts. */
  readonly signal: AbortSignal
  /** Whether there is anywhere for another attempt to go; asked before anything is taken from a budget. */
  canStart(): boolean
  /** Whether an end is the answer. Another end starts the next attempt at once. */
  isFinal(ended: HedgedEnd<T>): boolean
  /** What an end says of the peer: only the latency of a success is learned. @default a value is a success, an error is judged by its origin */
  outcomeOf?(ended: HedgedEnd<T>): Outcome
  /** Given every value that came and is not the answer. */
  discard(value: T): void
  /** Told of every further attempt as it starts: its number, and how long after the first, in milliseconds. */
  onHedge(event: { readonly attempt: number; readonly afterMs: number }): void
}

/** Makes a call once more while it takes long; the first answer wins. */
export interface HedgePolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /** Whether a call may be made several times at once. */
  covers(call: CallContext): boolean
  /** Runs attempts. @returns the answer; if there is none, the last value that was refused. @throws SdError `SD_ABORTED`, or what the last attempt threw */
  execute<T>(run: (attempt: HedgedAttempt) => Promise<T>, hooks: HedgeHooks<T>): Promise<T>
}

/** The header field that makes a request with any method repeatable: the server answers a second one with the result of the first. */
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/** Whether a request may be sent twice: its method is idempotent, or it has an idempotency key. An empty one is none: the server can't know it again. */
export function isIdempotent(call: Pick<CallContext, 'method' | 'headers'>): boolean {
  // Some calls make their fields when they are asked for.
  return IDEMPOTENT_METHODS.has(call.method) || Boolean(call.headers[IDEMPOTENCY_HEADER]?.trim())
}
