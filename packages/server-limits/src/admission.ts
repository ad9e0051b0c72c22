import type { CallPriority, HeaderFields, Outcome, SdError, ServerRefusalReason } from '@sd/core'

/** The head of a request, for any kind of server. */
export interface RequestHead {
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
  /**
   * Address of the connection's peer, normalized by `readIpAddress`. Behind a proxy, the proxy's address. Absent if the
   * server does not know it.
   */
  readonly remoteAddress?: string | undefined
  /**
   * The request object of the server or framework, such as Express' `Request` with its `user`; absent if
   * {@link ServerLimits.admit} received none.
   */
  readonly source?: object | undefined
}

/** The response to a refused request. Can be passed to `new Response(refusal.body, refusal)`. */
export interface Refusal {
  /** 429: over the caller's rate; 503: over capacity; 504: after the caller's deadline; 408: the body did not arrive in time. */
  readonly status: 408 | 429 | 503 | 504
  /** Header fields, names in lower case. Includes `retry-after` if another attempt is useful. */
  readonly headers: Readonly<Record<string, string>>
  /** A problem document of RFC 9457 with the member `code`, an error code of `@sd/core`. */
  readonly body: string
  /** The limit that refused the request. */
  readonly reason: ServerRefusalReason
  /** The refusal as an error, for frameworks that respond by throwing. */
  readonly error: SdError
}

/** Decision about a request. */
export interface Admission {
  /** The response, if the request is refused. Absent if it may be served. */
  readonly refusal?: Refusal | undefined
  /** Priority of the request; absent if priorities are not used. */
  readonly priority?: CallPriority | undefined
  /** Deadline for the response, by `performance.now()`; absent without a deadline. */
  readonly deadlineAt?: number | undefined
  /** Header fields for the response to an admitted request: `ratelimit` and `ratelimit-policy`. */
  readonly headers: Readonly<Record<string, string>>
  /** Releases the place. Call it when the response has been sent or has been aborted. Later calls have no effect. */
  settle(outcome: Outcome): void
  /** Declares the response an endless stream: releases the place, and takes one of `streams` instead if there is one. */
  becomeStream(latencyMs: number): void
}
