import type { FramingField } from './http1-reader.ts'

/** A protocol of a front or an upstream: HTTP/1.1, or HTTP/2 with prior knowledge, both without TLS. */
export type FramingProtocol = 'h1' | 'h2'

/** What differs between runs of a case. */
export interface FramingWords {
  /** A path of this run only, such as `/framing/17`. */
  readonly path: string
  /** Authority for `Host` and `:authority`. */
  readonly authority: string
}

/**
 * A part of what a case sends: octets, or a wait. `response` waits for anything from the front, `upstream` until the upstream has received a head of a
 * request; both only for a moment, because a correct front may not get there.
 */
export type FramingPiece = Uint8Array | 'response' | 'upstream'

/** What the upstream does with the first request of a case, instead of its usual response. Only over HTTP/1.1. */
export interface UpstreamScript {
  /** Octets of the response, in latin1. */
  readonly response: string
  /** When it is sent: after the whole request, which is the default, or as soon as its head was received. */
  readonly after?: 'request' | 'head'
  /** Whether the connection ends after it. False by default. */
  readonly ends?: boolean
  /** Octets that are sent once the front has responded, while the connection is idle. */
  readonly later?: string
}

/** A final response of the front. */
export interface FrontResponse {
  readonly status: number
  readonly fields: readonly FramingField[]
  /** Trailer fields, in order. */
  readonly trailers: readonly FramingField[]
  /** In latin1. */
  readonly body: string
  /** Whether the end of the body was received as its framing wants it. */
  readonly complete: boolean
}

/** What the front did. */
export interface FrontAnswer {
  /** Final responses, in order. */
  readonly responses: readonly FrontResponse[]
  /** Number of interim responses (1xx). */
  readonly interim: number
  /** Whether the front has ended the connection, or over HTTP/2 the stream without a response. */
  readonly closed: boolean
  /** Octets behind the last response that are not a response, in latin1. Empty for HTTP/2. */
  readonly rest: string
}

/** A request that the upstream received. */
export interface SeenRequest {
  readonly protocol: FramingProtocol
  readonly method: string
  /** Request target, or `:path`. */
  readonly target: string
  /** `Host` or `:authority`, empty if there is none. */
  readonly authority: string
  /** Fields without pseudo-header fields, in order, names as sent. */
  readonly fields: readonly FramingField[]
  /** Trailer fields, in order. */
  readonly trailers: readonly FramingField[]
  /** In latin1. */
  readonly body: string
  /** Whether the end of the body was received as its framing wants it. */
  readonly complete: boolean
  /** Number of the connection. */
  readonly connection: number
}

/** All that one run of a case showed. */
export interface FramingObservation extends FrontAnswer {
  /** Requests that the upstream received because of the case. */
  readonly seen: readonly SeenRequest[]
  /** The response to the request that followed on a new connection. */
  readonly next: FrontResponse | undefined
  /** That request, as the upstream received it. */
  readonly seenNext: SeenRequest | undefined
}

/** What a front may do with a case. */
export interface FramingExpectation {
  /** Statuses of the first response. `closed`: the connection or the stream ends without one. */
  readonly answers: readonly (number | 'closed')[]
  /** Whether the front must end the connection of HTTP/1.1 afterwards, because the begin of the next request is unknown. */
  readonly closes?: boolean
  /** What the upstream may receive: nothing, heads of requests that never end, or up to this number of requests. */
  readonly upstream: 'nothing' | 'incomplete' | number
  /** Returns what else is wrong. */
  readonly check?: (observation: FramingObservation, words: FramingWords) => string | undefined
}

/** One row of the framing suite. */
export interface FramingCase {
  /** Unique, such as `h1: Content-Length and Transfer-Encoding`. */
  readonly name: string
  /** Section of an RFC that has the rule, or `edge` and a subject: a rule for the first proxy that is stricter than the RFCs. */
  readonly rule: string
  /** Protocol of the client. */
  readonly front: FramingProtocol
  /** Protocols of the upstream to which it applies, all by default. */
  readonly upstreams?: readonly FramingProtocol[]
  /** What the client sends. Over HTTP/2 that is everything behind the preface and SETTINGS, on stream 1. */
  readonly send: (words: FramingWords) => readonly FramingPiece[]
  /** Whether the client ends the connection after the last piece, without waiting for a response. */
  readonly leaves?: boolean
  /** Number of final responses to wait for over HTTP/1.1, 1 by default. */
  readonly responses?: number
  /** What the upstream does with the first request, its usual response by default. */
  readonly script?: UpstreamScript
  /** What the front may do. */
  readonly expect: FramingExpectation
}
