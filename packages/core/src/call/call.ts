import type { Endpoint } from '../balancing/endpoint.ts'
import type { CallPriority } from '../policy/admission.ts'

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
