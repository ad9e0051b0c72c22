import type { Duplex } from 'node:stream'
import type { SdError } from '@sd/core'
import type { ClientConnection } from '../listener/connection.ts'
import type { MinBodyRate } from '../table/table.ts'
import type { HeadLimits, RequestHead } from './request-fields.ts'

/** Limits of a request. */
export interface RequestLimits extends HeadLimits {
  readonly minBodyRate: Required<MinBodyRate>
}

/** A request as a front received it. */
export interface IncomingRequest {
  readonly head: RequestHead
  readonly limits: RequestLimits
  readonly connection: ClientConnection
}

/** Where the response of an exchange goes: a request of HTTP/1.1 or HTTP/2. Each front has one. */
export interface Downstream {
  /** The request is admitted: its body is read from now on, and a client that waits for `100 Continue` gets it. */
  acceptBody(): void
  /** Sends a 1xx response, if the protocol of the client allows it. */
  information(status: number, rawHeaders: readonly string[]): void
  /** The connection takes no request after this one: it can't be trusted. Called before `head`. */
  closeAfter(): void
  /** Sends the head. @param hasBody whether `write` may follow */
  head(status: number, statusText: string, rawHeaders: string[], hasBody: boolean): void
  /** Sends a chunk of the body. Returns false if the exchange should pause until `ExchangeInput.onWritable`. */
  write(chunk: Uint8Array): boolean
  /** Ends the response. */
  end(rawTrailers: readonly string[]): void
  /** Sends the head of a `101` response, or of its equivalent. @returns the connection, which the front no longer uses */
  upgrade(rawHeaders: readonly string[]): Duplex
  /** Ends an incomplete response so that the client notices: closes the connection or resets the stream. */
  cut(error: SdError): void
  /** Stops reading the request body. */
  pauseBody(): void
  /** Reads the request body again. */
  resumeBody(): void
}

/** What a front tells an exchange. */
export interface ExchangeInput {
  /** A chunk of the request body. */
  onBody(chunk: Uint8Array): void
  /** The request body is complete. */
  onBodyEnd(rawTrailers: readonly string[]): void
  /** The client takes more of the response. */
  onWritable(): void
  /** The rest of the request is not valid, or does not arrive. @param status of the response, if none has begun */
  onBadRequest(status: number, detail: string): void
  /** The client has closed its connection or stream. */
  onClientGone(error: SdError): void
}
