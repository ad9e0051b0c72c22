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
  /** The body, or `null` for none. */
  readonly body: TransportBody
}

/** Told how an exchange goes. After `onEnd` or `onError` nothing more comes; exactly one of the two does, also after an abort. */
export interface TransportHandler {
  /** The peer may see the request from now on. Never called if no connection could be made. */
  onSend(): void
  /** The final response's head; 1xx are not told. */
  onResponse(status: number, headers: HeaderFields): void
  /** A part of the body. Returns false to ask for a pause until `resume`. */
  onData(chunk: Uint8Array): boolean
  /** The body is complete. */
  onEnd(): void
  /** It failed or was aborted. @param wasSent false if the peer can't have seen the request, whatever `onSend` told */
  onError(error: SdError, wasSent?: boolean): void
}

/** The exchange that {@link Transport.send} began. */
export interface TransportExchange {
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
