import type { Duplex } from 'node:stream'
import type { Endpoint, HeaderFields, SdError } from '@sd/core'

/** A request body as transports take it. Streams are read once. */
export type TransportBody = string | Uint8Array | AsyncIterable<Uint8Array> | null

/** One request, ready to be sent to an endpoint. */
export interface TransportRequest {
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query; begins with a slash. */
  readonly path: string
  /** Header fields, names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Header fields to send instead of `headers`: names and values in turn. Names may repeat. @default headers */
  readonly rawHeaders?: readonly string[] | undefined
  /** The body, or `null` for none or one that is pushed. */
  readonly body: TransportBody
  /** Whether the body comes by {@link TransportExchange.write} and {@link TransportExchange.end}. @default false */
  readonly pushed?: boolean | undefined
  /** Protocol to upgrade to, such as `websocket`. The handler's `onUpgrade` is told of the socket. @default none */
  readonly upgrade?: string | undefined
  /** Name that the certificate of an https endpoint must have, and that is sent as SNI. @default the host of the endpoint */
  readonly serverName?: string | undefined
}

/**
 * Told how an exchange goes. After `onEnd`, `onUpgrade` or `onError` nothing more comes; exactly one of the three does, also after an
 * abort.
 */
export interface TransportHandler {
  /** Whether it has no use for informational responses and trailer fields: a transport need not listen for them. @default false */
  readonly ignoresExtras?: boolean
  /** The peer may see the request from now on. Never called if no connection could be made. */
  onSend(): void
  /** Takes more of a pushed body after `write` returned false. */
  onDrain?(): void
  /** The head of an informational response (1xx), where the protocol and the runtime tell of them. */
  onInformation?(status: number, headers: HeaderFields): void
  /** The final response's head. @param statusText the reason phrase; empty where there is none, as in HTTP/2 */
  onResponse(status: number, headers: HeaderFields, statusText: string): void
  /** A part of the body. Returns false to ask for a pause until `resume`. */
  onData(chunk: Uint8Array): boolean
  /** The body is complete. @param trailers trailer fields, names in lower case; empty where there are none */
  onEnd(trailers: HeaderFields): void
  /** The peer has changed to the protocol of {@link TransportRequest.upgrade}. The socket is the handler's from now on. */
  onUpgrade?(status: number, headers: HeaderFields, socket: Duplex): void
  /** It failed or was aborted. @param wasSent false if the peer can't have seen the request, whatever `onSend` told */
  onError(error: SdError, wasSent?: boolean): void
}

/** The exchange that {@link Transport.send} began. */
export interface TransportExchange {
  /** Header fields of the last head that was told, names and values in turn as received; empty where the runtime does not keep them. */
  readonly rawHeaders: readonly string[]
  /** Trailer fields, once `onEnd` was told, names and values in turn as received. */
  readonly rawTrailers: readonly string[]
  /**
   * Sends a part of a pushed body. The chunk must not change afterwards.
   *
   * @returns false if the handler's `onDrain` should be awaited before more is written
   */
  write(chunk: Uint8Array): boolean
  /** Ends a pushed body. Trailer fields, names and values in turn, are sent over HTTP/2 and dropped over HTTP/1.1. */
  end(trailers?: readonly string[]): void
  /** Ends it with `onError(reason)`, at once, in whatever phase it is. */
  abort(reason: SdError): void
  /** Goes on after `onData` returned false. */
  resume(): void
}

/** Sends requests to endpoints over the network. */
export interface Transport {
  /** Name for messages. */
  readonly name: string
  /** Begins an exchange. Problems are told to the handler, later; never thrown. */
  send(endpoint: Endpoint, request: TransportRequest, handler: TransportHandler): TransportExchange
  /** Closes all connections. Idempotent. */
  close(): Promise<void>
}
