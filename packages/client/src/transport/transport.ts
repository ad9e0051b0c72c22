import type { Duplex } from 'node:stream'
import type { Endpoint, HeaderFields, SdError } from '@sd/core'

/** A request body for transports. Streams are read once. */
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
  /** Whether the body arrives by {@link TransportExchange.write} and {@link TransportExchange.end}. @default false */
  readonly pushed?: boolean | undefined
  /** Protocol to upgrade to, such as `websocket`. The handler's `onUpgrade` receives the socket. @default none */
  readonly upgrade?: string | undefined
  /** Name that the certificate of an https endpoint must have; also sent as SNI. @default the host of the endpoint */
  readonly serverName?: string | undefined
}

/**
 * Receives the events of an exchange. Exactly one of `onEnd`, `onUpgrade` and `onError` is called last, also after an
 * abort.
 */
export interface TransportHandler {
  /** Whether it ignores informational responses and trailer fields: a transport need not listen for them. @default false */
  readonly ignoresExtras?: boolean
  /** The peer may see the request from now on. Never called if no connection could be made. */
  onSend(): void
  /** A pushed body may continue after `write` returned false. */
  onDrain?(): void
  /** The head of an informational response (1xx), if the protocol and the runtime report it. */
  onInformation?(status: number, headers: HeaderFields): void
  /** The head of the final response. @param statusText the reason phrase; empty if there is none, as in HTTP/2 */
  onResponse(status: number, headers: HeaderFields, statusText: string): void
  /** A chunk of the body. Returns false to pause until `resume`. */
  onData(chunk: Uint8Array): boolean
  /** The body is complete. @param trailers trailer fields, names in lower case; empty if there are none */
  onEnd(trailers: HeaderFields): void
  /** The peer has changed to the protocol of {@link TransportRequest.upgrade}. The handler owns the socket from now on. */
  onUpgrade?(status: number, headers: HeaderFields, socket: Duplex): void
  /**
   * The exchange failed or was aborted. @param wasSent false if the peer can't have seen the request, even if `onSend`
   * was called
   */
  onError(error: SdError, wasSent?: boolean): void
}

/** The exchange that {@link Transport.send} began. */
export interface TransportExchange {
  /** Header fields of the last head, names and values in turn as received; empty if the runtime does not keep them. */
  readonly rawHeaders: readonly string[]
  /** Trailer fields, after `onEnd`, names and values in turn as received. */
  readonly rawTrailers: readonly string[]
  /**
   * Sends a chunk of a pushed body. The chunk must not change afterwards.
   *
   * @returns false if the caller should wait for the handler's `onDrain` before writing more
   */
  write(chunk: Uint8Array): boolean
  /** Ends a pushed body. Trailer fields, names and values in turn, are sent over HTTP/2 and dropped over HTTP/1.1. */
  end(trailers?: readonly string[]): void
  /** Ends the exchange with `onError(reason)`, at once, in any phase. */
  abort(reason: SdError): void
  /** Resumes after `onData` returned false. */
  resume(): void
}

/** Sends requests to endpoints over the network. */
export interface Transport {
  /** Name for messages. */
  readonly name: string
  /** Begins an exchange. The handler receives errors asynchronously; `send` does not throw. */
  send(endpoint: Endpoint, request: TransportRequest, handler: TransportHandler): TransportExchange
  /** Closes all connections. Idempotent. */
  close(): Promise<void>
}
