import type { Endpoint } from '../balancing/endpoint.ts'
import type { CallPriority } from '../policy/admission.ts'

/** Header fields with names in lower case. */
export type HeaderFields = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Body of a request. Strings, bytes and form fields can be sent again in another attempt. Streams can't, once they have
 * been read.
 */
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

/** The response of a call, before its body is read. */
export interface CallResponse {
  /** HTTP status. */
  readonly status: number
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
  /** The reason phrase; empty or absent if there is none, as in HTTP/2. */
  readonly statusText?: string | undefined
  /** The body as it arrives. Read or cancel it: until then its attempt is active. */
  readonly body: AsyncIterable<Uint8Array>
  /** The endpoint that responded. */
  readonly endpoint: Endpoint
}

/** One logical call, as call interceptors see it. */
export interface CallContext {
  readonly service: string
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query; an interceptor may replace it. */
  path: string
  /** Request header fields, names in lower case; an interceptor may change them. */
  readonly headers: Record<string, string>
  /**
   * The request body as given by the caller; JSON is already a string. An interceptor may replace it; it is encoded
   * afterwards. A `content-length` header field must match the new body.
   */
  body?: RequestBody | undefined
  /** When the call started, by `performance.now()`. */
  readonly startedAt: number
  /** When the call must end, by `performance.now()`; `Infinity` without a deadline. */
  readonly deadlineAt: number
  /** Aborts when the call is aborted or its deadline passes. Created on first use, because that has a cost. */
  readonly signal: AbortSignal
  /** Priority for concurrency limits. @default 'default' */
  readonly priority?: CallPriority | undefined
}

/** One attempt of a call, as attempt interceptors see it. */
export interface AttemptContext {
  readonly call: CallContext
  /** Target of this attempt. */
  readonly endpoint: Endpoint
  /** Number of the attempt, starting at 1. */
  readonly attempt: number
  /** Header fields of this attempt; initially a copy of the call's. */
  readonly headers: Record<string, string>
}

/**
 * Wraps a logical call ({@link CallContext}) or one attempt ({@link AttemptContext}). The first interceptor of a list is
 * the outermost.
 *
 * An interceptor may call `next` again, even while an earlier call is pending; for example after a 401 with a new token.
 * Each time the policies decide again, or the request is sent again. An earlier response that was not read is dropped,
 * unless it has arrived completely. When the interceptor returns, everything still running except its result is cancelled;
 * from then on `next` rejects with `SD_ABORTED`.
 */
export type Interceptor<Context = CallContext> = (context: Context, next: () => Promise<CallResponse>) => Promise<CallResponse>
