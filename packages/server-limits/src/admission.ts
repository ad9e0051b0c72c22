import type { CallPriority, HeaderFields, Outcome, SdError, ServerRefusalReason } from '@sd/core'

/** A request before its body is read, of whatever kind of server. */
export interface RequestHead {
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
  /** Address of the peer of the connection, in the one spelling of `readIpAddress`, which is a proxy where there is one; absent where the server does not know it. */
  readonly remoteAddress?: string | undefined
  /** The request as the server or framework has it, such as Express' `Request` with its `user`; absent where {@link ServerLimits.admit} was given none. */
  readonly source?: object | undefined
}

/** The answer to a request that is refused. It can be given to `new Response(refusal.body, refusal)`. */
export interface Refusal {
  /** 429 over the caller's rate, 503 over capacity, 504 after the caller's deadline, 408 without a body in time. */
  readonly status: 408 | 429 | 503 | 504
  /** Its header fields, names in lower case. `retry-after` is one where another attempt makes sense. */
  readonly headers: Readonly<Record<string, string>>
  /** Its body: a problem document of RFC 9457 with the member `code`, an error code of `@sd/core`. */
  readonly body: string
  /** What refused it. */
  readonly reason: ServerRefusalReason
  /** The same as an error, for frameworks that answer by throwing. */
  readonly error: SdError
}

/** What was decided on a request. */
export interface Admission {
  /** The answer, if it is refused. Absent: it may be served. */
  readonly refusal?: Refusal | undefined
  /** How much the request matters; absent if nothing was said of it. */
  readonly priority?: CallPriority | undefined
  /** When it must have been answered, by `performance.now()`; absent without a deadline. */
  readonly deadlineAt?: number | undefined
  /** Header fields for the answer of an admitted request: `ratelimit` and `ratelimit-policy`. */
  readonly headers: Readonly<Record<string, string>>
  /** Frees its place. To be called when the answer has been sent or broken off; later calls do nothing. */
  settle(outcome: Outcome): void
  /** Says that the answer is a stream without an end: its place is freed now, and it takes one of `streams` instead if there is one. */
  becomeStream(latencyMs: number): void
}
