import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'

/** Receives the events of a stream until it releases it. */
export interface StreamOwner {
  onInformation(fields: IncomingHttpHeaders, raw: unknown): void
  onHead(fields: IncomingHttpHeaders, raw: unknown): void
  onTrailers(fields: IncomingHttpHeaders, raw: unknown): void
  onChunk(stream: OwnedStream, chunk: Uint8Array): void
  onDataEnd(stream: OwnedStream): void
  onFailure(thrown: unknown): void
  onClose(stream: OwnedStream): void
  /** The request body may continue. */
  onDrain(): void
}

const ownerKey: unique symbol = Symbol('owner')
const trailersKey: unique symbol = Symbol('trailers')

/** A stream that has an owner while it is in use. */
export interface OwnedStream extends ClientHttp2Stream {
  [ownerKey]?: StreamOwner | undefined
  [trailersKey]?: Readonly<Record<string, string | string[]>> | undefined
}

/** Events that an owner receives in addition to the response. */
interface OwnOptions {
  /** Whether the body of the request is pushed. */
  readonly isPushed: boolean
  /** Whether it receives informational responses and trailer fields. */
  readonly hasExtras: boolean
  /** Whether the stream may become a connection of its caller: nothing is read until {@link readBody}. */
  readonly isUpgrade: boolean
}

/**
 * Passes events to an owner. All streams share the same listeners: the library keeps a stream for a while after its
 * end, with its listeners, and these must not keep an ended call in memory. Each listener has a cost: the library
 * observes new listeners.
 */
export function ownStream(stream: OwnedStream, owner: StreamOwner, { isPushed, hasExtras, isUpgrade }: OwnOptions): void {
  stream[ownerKey] = owner
  stream.on('response', headArrived)
  if (!isUpgrade) readBody(stream)
  stream.on('error', failed)
  stream.on('close', closed)
  if (hasExtras) {
    stream.on('headers', informationArrived)
    stream.on('trailers', trailersArrived)
  }
  if (isPushed) {
    stream.on('drain', drained)
    stream.on('wantTrailers', sendTrailers)
  }
}

/** Passes the body to the owner. */
export function readBody(stream: OwnedStream): void {
  stream.on('data', chunkArrived)
  stream.on('end', dataEnded)
}

/** Stops passing events to the owner. */
export function releaseStream(stream: OwnedStream | undefined): void {
  if (stream) stream[ownerKey] = undefined
}

/** Ends a pushed body. The trailers are sent even if the response is already complete. */
export function endWith(stream: OwnedStream, trailers: Readonly<Record<string, string | string[]>>): void {
  stream[trailersKey] = trailers
  stream.end()
}

function informationArrived(this: OwnedStream, fields: IncomingHttpHeaders, _flags: number, raw: unknown): void {
  this[ownerKey]?.onInformation(fields, raw)
}

function headArrived(this: OwnedStream, fields: IncomingHttpHeaders, _flags: number, raw: unknown): void {
  this[ownerKey]?.onHead(fields, raw)
}

function trailersArrived(this: OwnedStream, fields: IncomingHttpHeaders, _flags: number, raw: unknown): void {
  this[ownerKey]?.onTrailers(fields, raw)
}

function chunkArrived(this: OwnedStream, chunk: Uint8Array): void {
  this[ownerKey]?.onChunk(this, chunk)
}

function dataEnded(this: OwnedStream): void {
  this[ownerKey]?.onDataEnd(this)
}

function failed(this: OwnedStream, thrown: unknown): void {
  this[ownerKey]?.onFailure(thrown)
}

function closed(this: OwnedStream): void {
  this[ownerKey]?.onClose(this)
}

function drained(this: OwnedStream): void {
  this[ownerKey]?.onDrain()
}

function sendTrailers(this: OwnedStream): void {
  this.sendTrailers(this[trailersKey] ?? {})
}
