import type { Duplex } from 'node:stream'
import type { ForwardRequest } from '@sd/client'
import type { SdError } from '@sd/core'
import type { ExchangeOutcome, GatewayExchange, GatewayReply, GatewayResponse } from './filters/filter.ts'
import type { ConnectionProtocol, DatagramProtocol } from './streams/stream-protocol.ts'

/** What all protocols have. */
interface ProtocolBase {
  /** Name for `match.protocol` of routes, and for metrics: such as `grpc`. */
  readonly name: string
  /**
   * Checks the `options` of a route that has the protocol as `match.protocol`, also if it has none.
   *
   * @throws SdError `SD_INVALID` that names the field, below `path`
   * @default the protocol has no options
   */
  checkOptions?(options: unknown, path: string): void
}

/** A protocol whose messages are requests of HTTP, such as gRPC. Routes, filters and policies apply to its calls as to others. */
export interface CallProtocol extends ProtocolBase {
  readonly kind: 'call'
  /** Whether a request is a call of the protocol. Asked for every request that can be read, before it has a route. */
  recognises(request: Pick<GatewayExchange, 'method' | 'path' | 'httpVersion' | 'header'>): boolean
  /**
   * Begins a call, before the filters of its route. It may change the exchange as a filter does.
   *
   * @param options of the route; `undefined` if it has none, and for a call without a route
   */
  begin(exchange: GatewayExchange, options: unknown): GatewayCall
}

/** Why the gateway responds itself. */
export interface ReplyCause {
  readonly error: SdError
  /** One sentence for the client, without internals. */
  readonly detail: string
}

/** The request that is sent instead of that of the client. It can be repeated. */
export interface ConvertedRequest {
  readonly method: string
  /** Path with query; the `rewrite` of the route does not apply. */
  readonly path: string
  /** Its `content-length` is added. */
  readonly body: Uint8Array
}

/** Makes another request from a complete body. */
export interface RequestConverter {
  /** Most bytes that are read. */
  readonly maxBytes: number
  /** @param body `undefined` if it is longer @returns the request, or a response instead */
  convert(body: Uint8Array | undefined): ConvertedRequest | GatewayReply
}

/** Makes a response from a complete body. */
export interface BodyReader {
  /** Most bytes that are read. */
  readonly maxBytes: number
  /** @param body `undefined` if it is longer @param rawTrailers names in lower case and values in turn */
  reply(body: Uint8Array | undefined, rawTrailers: readonly string[]): GatewayReply
}

/** One call of a {@link CallProtocol}. */
export interface GatewayCall {
  /** Time that the client allows, in milliseconds. @default no limit */
  readonly timeoutMs?: number | undefined
  /** Fields that tell the service the remaining time, see `deadlineFields` of a forwarded request. */
  readonly deadlineFields?: ForwardRequest['deadlineFields']
  /** Judges the instance by its response, see `judge` of a forwarded request. @default a status of 500 or above is a failure */
  readonly judge?: ForwardRequest['judge']
  /** Status of a gRPC call, once it is known. */
  readonly grpcStatus?: number | undefined
  /** After the filters of the request: reads its body, and responds instead of the route. */
  respond?(): BodyReader | undefined
  /** After the filters of the request, on a route with a service: reads its body, and sends another request. */
  convert?(): RequestConverter | undefined
  /** Changes every response of the gateway itself, of a filter or of the route. @param cause absent if nothing has failed */
  onReply?(reply: GatewayReply, cause: ReplyCause | undefined): GatewayReply
  /** A chunk of the request body, as the service gets it. */
  onRequestData?(chunk: Uint8Array): void
  /** A chunk of the response body, as the service or the gateway has sent it. */
  onResponseData?(chunk: Uint8Array): void
  /** A service has responded. The result reads its body, and sends something else. */
  replace?(status: number, rawHeaders: readonly string[]): BodyReader | undefined
  /** The head of any response, before the filters see it. @returns whether nothing follows it, whatever the status @default no */
  endsWithHead?(rawHeaders: readonly string[]): boolean
  /** After the filters of the response, for the gateway's own too. */
  onResponse?(response: GatewayResponse): void
  /** The body has ended. @param rawTrailers names in lower case and values in turn @returns what is sent to the client */
  onTrailers?(rawTrailers: readonly string[]): readonly string[]
  /** A response that has begun can't be completed. Returns trailers that say so. @default it is cut */
  onBroken?(error: SdError): readonly string[] | undefined
  /** The exchange is over. */
  onEnd?(outcome: ExchangeOutcome): void
}

/**
 * A protocol that clients of HTTP change to, such as WebSocket. Routes with its name as `match.protocol` get its requests;
 * route, filters and the service's policies apply to them as to others.
 */
export interface UpgradeProtocol extends ProtocolBase {
  readonly kind: 'upgrade'
  /** Value of the `upgrade` field, in lower case: `websocket`. */
  readonly name: string
  /**
   * Whether a client may have a connection. Asked after the filters, before the request is forwarded.
   *
   * @param options of the route; `undefined` if it has none, or if the protocol is not its `match.protocol`
   * @returns a response that refuses it @throws SdError `SD_REJECTED` to refuse it with 503
   */
  admit?(exchange: GatewayExchange, options: unknown): GatewayReply | undefined
  /**
   * The service has accepted. The protocol owns both connections from now on: it reads and closes them, also the one whose peer
   * has closed the other. The exchange ends when that of the client has closed.
   *
   * @param client a socket, or a stream of HTTP/2 @param service also @param options those of `admit`
   */
  connect(client: Duplex, service: Duplex, exchange: GatewayExchange, options: unknown): UpgradedConnection
  /** An admitted exchange is over: it was refused by the service, has failed, or its connection has closed. */
  onEnd?(exchange: GatewayExchange, outcome: ExchangeOutcome): void
}

/** A connection of an {@link UpgradeProtocol}. */
export interface UpgradedConnection {
  /**
   * The gateway drains, or the route has changed and the time for its connections has passed: asks both peers to close. What is
   * open at the end of the drain is cut. May be called more than once.
   */
  beginDrain(): void
}

/** A protocol of the gateway beside HTTP. */
export type GatewayProtocol = CallProtocol | UpgradeProtocol | ConnectionProtocol | DatagramProtocol
