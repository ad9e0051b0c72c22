import type { ForwardControl, ForwardHandler } from '@sd/client'
import type { TelemetryEvents } from '@sd/core'
import type { GatewayConnection } from '../listener/connection.ts'
import type { RouteMatch } from '../table/table.ts'
import type { BodyOutput, CreateBodyTransform } from './body-transform.ts'

/** A request on its way through the gateway, as filters see and change it. */
export interface GatewayExchange {
  /** Id of the request: that of a trusted proxy, or a new one. It is sent on as `x-request-id`. */
  readonly id: string
  /** Name of the route. */
  readonly route: string
  /** The connection on which it arrived. */
  readonly connection: GatewayConnection
  /** Address of the client: that of the connection, or the one that trusted proxies forward. */
  readonly clientAddress: string
  /**
   * The client, as a filter has verified it, for later filters and the access log: the subject of a token, for example, and
   * never a credential. Empty if it is verified and has no name. @default undefined, which is not verified
   */
  identity: string | undefined
  readonly method: string
  /** `http`, `websocket`, or the name of one of the gateway's protocols. */
  readonly protocol: string
  /** Version of HTTP of the client. */
  readonly httpVersion: '1.0' | '1.1' | '2'
  /** Path with query. A filter may replace it. */
  path: string
  /** Host, possibly with port, in lower case. */
  readonly authority: string
  /** The service that it goes to; `undefined` if the gateway responds itself. */
  readonly service: string | undefined
  /** Header fields, names in lower case and values in turn, without those of one connection. */
  readonly rawHeaders: readonly string[]
  /** The value of a field; repeated ones are joined by `, `. */
  header(name: string): string | undefined
  /** Replaces all fields of this name. @throws SdError `SD_INVALID` */
  setHeader(name: string, value: string): void
  /** Adds a field. @throws SdError `SD_INVALID` */
  addHeader(name: string, value: string): void
  /** Removes all fields of this name. */
  removeHeader(name: string): void
  /**
   * Changes the body on its way to the service, and removes `content-length`. For `onRequest`. Transforms apply in the order of
   * the calls; `limits.bodyBytes` of the route counts the bytes before them. A transform that fails with `SD_INVALID` or
   * `SD_TOO_LARGE` reports a mistake of the client: it gets 400 or 413. Without a body there is nothing to transform.
   */
  transformBody(create: CreateBodyTransform): void
  /**
   * Sends the request to its service for the filter: with these fields, without a body, and with the policies of the client. The
   * response goes to the handler, as the service sent it; nothing of it reaches the client of the gateway. Its head must arrive
   * within half of the time that a filter may take, so that the filter can respond otherwise. The errors that it reports may
   * be thrown by `onRequest`: the gateway responds to them as if it had sent the request itself.
   *
   * @param rawHeaders names in lower case and values in turn: those of the exchange, with changes
   * @returns `undefined` if the gateway responds itself
   */
  subrequest(rawHeaders: readonly string[], handler: ForwardHandler): ForwardControl | undefined
}

/** The head of a response on its way to the client. */
export interface GatewayResponse {
  readonly status: number
  /** Header fields, names in lower case and values in turn. */
  readonly rawHeaders: readonly string[]
  /** The value of a field; repeated ones are joined by `, `. */
  header(name: string): string | undefined
  /** Replaces all fields of this name. @throws SdError `SD_INVALID` */
  setHeader(name: string, value: string): void
  /** Adds a field. @throws SdError `SD_INVALID` */
  addHeader(name: string, value: string): void
  /** Removes all fields of this name. */
  removeHeader(name: string): void
  /**
   * Changes the body on its way to the client, and removes `content-length`. Transforms apply in the order of the calls: that
   * of the last filter is the first. Without a body there is nothing to transform. With `keepsLength`, the transform passes on
   * as many bytes as it gets, and `content-length` stays.
   */
  transformBody(create: CreateBodyTransform, options?: { readonly keepsLength?: boolean }): void
}

/** A response of a filter or of the gateway itself. */
export interface GatewayReply {
  readonly status: number
  /** `content-length` is added. @default none */
  readonly headers?: Readonly<Record<string, string>>
  /** Further fields, names in lower case and values in turn: for those that repeat. @default none */
  readonly rawHeaders?: readonly string[]
  /** @default none */
  readonly body?: string | Uint8Array | ReplyStream
  /** Trailer fields, names and values in turn; for clients that read them. @default none */
  readonly trailers?: readonly string[]
}

/** Begins the body of a response that is written piece by piece. Nothing may be written before it has returned. */
export type ReplyStream = (output: Pick<BodyOutput, 'write' | 'end' | 'fail'>) => {
  /** The client takes more, after `write` has returned false. */
  resume?(): void
  /** The gateway drains: the body should end. What is open at the end of the drain is cut. */
  beginDrain?(): void
  /** The exchange has ended, possibly before the body was complete. Idempotent. */
  destroy?(): void
}

/** How an exchange ended, as `sd:v1:gateway:exchange` reports it. */
export type ExchangeOutcome = TelemetryEvents['sd:v1:gateway:exchange']['outcome']

/** What became of the affinity of a client. */
export type AffinityOutcome = NonNullable<ExchangeOutcome['affinity']>

/** What became of the copy of a request for the mirror. */
export type MirrorOutcome = NonNullable<ExchangeOutcome['mirror']>

/**
 * Sees and changes the exchanges of a route. Requests pass its limits, its header rules, and then its filters in their order.
 * Responses pass the filters in the opposite order, and then the header rules; also those of the gateway and of a filter, so
 * that a filter may see a response whose request it has not seen. A filter that throws fails its exchange with status 500, or
 * 503 for an `SD_REJECTED`, or the status of a {@link RouteRefusal}, and nothing else.
 */
export interface GatewayFilter {
  /** Before the request is forwarded. It may change the exchange, or respond itself. */
  onRequest?(exchange: GatewayExchange): GatewayReply | undefined | Promise<GatewayReply | undefined>
  /** Before the head of a response is sent, also of the gateway's own. */
  onResponse?(exchange: GatewayExchange, response: GatewayResponse): void
  /** When the exchange is over. */
  onEnd?(exchange: GatewayExchange, outcome: ExchangeOutcome): void
  /**
   * The filter is no longer used: a new table has no filter with its options on its route, or the gateway has closed, and all
   * of its exchanges have ended. Called once.
   */
  close?(): void
}

/** Where a filter is created. */
export interface FilterScope {
  /** Name of the route. */
  readonly route: string
  /** Path of the options in the table, for errors. */
  readonly path: string
  /** What the requests of the route match, such as a path with placeholders. @default every request */
  readonly match?: RouteMatch | undefined
  /**
   * Sends requests of the filter to services: the host of the URL is the name of the service. They are calls of the gateway's
   * client, so that its settings apply. For {@link readFilterTarget}. @default the client can't
   */
  readonly fetch?: typeof globalThis.fetch | undefined
}

/**
 * Creates a filter for a route from the options in the table. A filter whose options, route match and target are unchanged
 * is kept when the table is replaced.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export type FilterFactory = (options: Readonly<Record<string, unknown>>, scope: FilterScope) => GatewayFilter
