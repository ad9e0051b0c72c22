import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { closedError, type HeaderFields, type SdError } from '@sd/core'
import type { Linked } from '../call/linked-list.ts'
import { keepLength, lengthError, UploadStream } from '../message/upload.ts'
import type { TransportExchange, TransportHandler, TransportRequest } from '../transport/transport.ts'
import { toTransportFailure } from '../transport/transport-errors.ts'
import { noExtendedConnect, upgradedFields } from './extended-connect.ts'
import { cancel, closeError, noError, refusedStream } from './http2-errors.ts'
import { fieldsOf, type Http2Target, headersOf, lengthOf, toFields, withoutPseudo } from './http2-fields.ts'
import { endWith, type OwnedStream, ownStream, readBody, releaseStream, type StreamOwner } from './http2-stream.ts'

/** The part of a connection that an exchange uses. */
export interface Http2Connection extends Http2Target {
  /** Data arrived on the connection. */
  onActivity(): void
  /** A stream is reset before the server has ended it. */
  onReset(): void
  /** Whether the server may have processed a stream; false if its GOAWAY excludes that. */
  mayHaveProcessed(id: number | undefined): boolean
  /** Why the connection ended. */
  readonly reason: SdError | undefined
  /** The exchange no longer needs its stream. */
  onEnd(exchange: Http2Exchange): void
  /** Sends it on another connection, if this one takes no more requests after GOAWAY. */
  resend(exchange: Http2Exchange): boolean
}

const nothing: readonly string[] = []
const noFields: HeaderFields = Object.freeze({})

/** One exchange on a stream of an HTTP/2 connection. */
export class Http2Exchange implements TransportExchange, StreamOwner, Linked<Http2Exchange> {
  previous: Http2Exchange | undefined
  next: Http2Exchange | undefined
  /** Whether it has ended: its handler was notified. */
  hasEnded = false
  rawTrailers: readonly string[] = nothing
  readonly #request: TransportRequest
  readonly #handler: TransportHandler
  #connection: Http2Connection | undefined
  #stream: OwnedStream | undefined
  /** Header fields in the form of the library. */
  #rawHead: unknown
  /** Chunks that were pushed before there was a stream. */
  #pending: Uint8Array[] | undefined
  #trailers: readonly string[] | undefined
  #hasPushedAll = false
  /** Bytes that the `content-length` of a pushed body promises; NaN if it has none. */
  #left: number
  #upload: UploadStream | undefined
  #wasResent = false
  /** The stream is a connection of the handler. */
  #isUpgraded = false
  #hasHead = false
  #isComplete = false
  #trailerFields = noFields
  /** Bytes of the body that the head promised and that have not arrived; NaN without a promise. */
  #missing = Number.NaN

  constructor(request: TransportRequest, handler: TransportHandler) {
    this.#request = request
    this.#handler = handler
    this.#left = lengthOf(request)
  }

  get rawHeaders(): readonly string[] {
    const fields = withoutPseudo(this.#rawHead)
    return this.#isUpgraded ? [...fields, ...upgradedFields(this.#request)] : fields
  }

  /** Ends a request to a closed transport, asynchronously. */
  refuse(): void {
    queueMicrotask(() => this.fail(closedError('The transport'), false))
  }

  /** Sends the request. */
  start(session: ClientHttp2Session, connection: Http2Connection): void {
    this.#connection = connection
    const { body, pushed } = this.#request
    const isUpgrade = this.#request.upgrade !== undefined
    if (isUpgrade && session.remoteSettings.enableConnectProtocol !== true) {
      queueMicrotask(() => this.fail(noExtendedConnect(), false))
      return
    }
    try {
      const stream = session.request(headersOf(connection, this.#request) as unknown as IncomingHttpHeaders, {
        endStream: body === null && pushed !== true && !isUpgrade,
        waitForTrailers: pushed === true,
      })
      this.#stream = stream
      ownStream(stream, this, { isPushed: pushed === true, hasExtras: this.#handler.ignoresExtras !== true, isUpgrade })
      this.#handler.onSend()
      if (pushed === true) this.#startPushing(stream)
      else if (typeof body === 'string' || body instanceof Uint8Array) stream.end(body)
      else if (body !== null) this.#startUpload(stream, body)
    } catch (error) {
      queueMicrotask(() => this.onFailure(error))
    }
  }

  write(chunk: Uint8Array): boolean {
    if (this.hasEnded) return true
    this.#left -= chunk.length
    if (this.#left < 0) this.fail(lengthError())
    if (this.#stream) return this.#stream.write(chunk)
    this.#pending ??= []
    this.#pending.push(chunk)
    return false
  }

  end(trailers?: readonly string[]): void {
    if (this.hasEnded || this.#hasPushedAll) return
    this.#hasPushedAll = true
    if (this.#left > 0) {
      this.fail(lengthError())
      return
    }
    this.#trailers = trailers
    if (this.#stream) endWith(this.#stream, toFields(trailers ?? nothing))
  }

  abort(reason: SdError): void {
    this.fail(reason)
  }

  resume(): void {
    this.#stream?.resume()
  }

  /** Ends it with an error, at once. */
  fail(error: SdError, wasSent?: boolean): void {
    if (this.#isUpgraded) this.#stream?.destroy(error)
    if (this.hasEnded) return
    this.hasEnded = true
    this.#reset(cancel)
    this.#connection?.onEnd(this)
    // A body that has begun can't be sent again, whatever the server saw of it.
    releaseStream(this.#stream)
    this.#handler.onError(error, this.#upload?.hasBegun ? undefined : wasSent)
  }

  /**
   * Tries once more on a new connection to the same endpoint, as undici does: a server that only wants another
   * connection (a limit of its age) is not down. If it is down, that connection fails, and another endpoint is picked.
   */
  #resend(): boolean {
    const connection = this.#connection
    const { pushed } = this.#request
    if (this.#wasResent || this.#hasHead || pushed === true || this.#upload?.hasBegun === true || !connection) return false
    releaseStream(this.#stream)
    this.#stream = undefined
    this.#wasResent = true
    connection.onEnd(this)
    return connection.resend(this)
  }

  onInformation(fields: IncomingHttpHeaders, raw: unknown): void {
    this.#rawHead = raw
    this.#handler.onInformation?.(Number(fields[':status']), fieldsOf(fields, raw))
  }

  onTrailers(fields: IncomingHttpHeaders, raw: unknown): void {
    this.rawTrailers = withoutPseudo(raw)
    this.#trailerFields = fieldsOf(fields, raw)
  }

  onHead(fields: IncomingHttpHeaders, raw: unknown): void {
    this.#connection?.onActivity()
    this.#hasHead = true
    this.#rawHead = raw
    const status = Number(fields[':status'])
    const isSwitched = status >= 200 && status < 300
    if (this.#request.upgrade !== undefined && this.#stream) {
      if (isSwitched && this.#handler.onUpgrade) {
        this.#upgrade(this.#stream, fieldsOf(fields, raw))
        return
      }
      readBody(this.#stream)
    }
    const length = fields['content-length']
    if (typeof length === 'string' && this.#request.method !== 'HEAD' && status !== 304) this.#missing = Number(length)
    this.#handler.onResponse(status, fieldsOf(fields, raw), '')
  }

  /** The stream stays one of the connection until it is closed. */
  #upgrade(stream: OwnedStream, fields: HeaderFields): void {
    this.#isUpgraded = true
    this.hasEnded = true
    this.#handler.onUpgrade?.(101, fields, stream)
  }

  onChunk(stream: OwnedStream, chunk: Uint8Array): void {
    this.#connection?.onActivity()
    this.#missing -= chunk.length
    if (!this.#handler.onData(chunk)) stream.pause()
  }

  onDataEnd(stream: OwnedStream): void {
    // Node also ends a stream that it destroys with its connection, and after GOAWAY occasionally with NO_ERROR: the
    // body is truncated.
    if (stream.destroyed) return
    this.#isComplete = true
    // A reset closes the stream before its data ends: this is the end that the server has set.
    if (this.hasEnded || stream.closed || !this.#hasHead || this.#isTruncated) return
    this.#finish()
    // The response is complete before the request: the server does not want the rest (RFC 9113, 8.1).
    if (!stream.writableEnded) this.#reset(noError)
  }

  #reset(code: number): void {
    const stream = this.#stream
    if (!stream || stream.closed) return
    stream.close(code)
    this.#connection?.onReset()
  }

  get #isTruncated(): boolean {
    return this.#missing > 0 || this.#missing < 0
  }

  #finish(): void {
    this.hasEnded = true
    this.#connection?.onEnd(this)
    releaseStream(this.#stream)
    this.#handler.onEnd(this.#trailerFields)
  }

  /** The stream is closed, for any reason: only now it is known whether it was reset. */
  onClose(stream: OwnedStream): void {
    if (this.#isUpgraded) this.#connection?.onEnd(this)
    if (this.hasEnded) return
    const isTruncated = this.#isTruncated
    if (this.#hasHead && this.#isComplete && stream.rstCode === noError && !isTruncated) {
      this.#finish()
      return
    }
    const code = stream.rstCode ?? noError
    const wasSent = code === refusedStream || !this.#connection?.mayHaveProcessed(stream.id) ? false : undefined
    if (wasSent === false && this.#resend()) return
    this.fail(this.#connection?.reason ?? closeError(code, this.#hasHead, isTruncated), wasSent)
  }

  onFailure(thrown: unknown): void {
    if (this.#isUpgraded) return
    const stream = this.#stream
    const code = stream?.rstCode ?? noError
    // A stream that the library could not even open has no id.
    const wasRefused = code === refusedStream || (stream !== undefined && !this.#connection?.mayHaveProcessed(stream.id))
    if (wasRefused && this.#resend()) return
    const { error, wasSent } = toTransportFailure(thrown)
    const isReset = code !== noError && error.origin === 'network'
    this.fail(isReset ? closeError(code, this.#hasHead, false) : error, wasRefused ? false : wasSent)
  }

  onDrain(): void {
    this.#handler.onDrain?.()
  }

  #startPushing(stream: OwnedStream): void {
    const pending = this.#pending
    this.#pending = undefined
    let isFull = false
    for (const chunk of pending ?? []) isFull = !stream.write(chunk)
    if (this.#hasPushedAll) endWith(stream, toFields(this.#trailers ?? nothing))
    else if (pending && !isFull) this.#handler.onDrain?.()
  }

  #startUpload(stream: OwnedStream, body: AsyncIterable<Uint8Array>): void {
    const length = lengthOf(this.#request)
    const upload = new UploadStream(Number.isNaN(length) ? body : keepLength(body, length))
    this.#upload = upload
    upload.on('error', (error) => {
      if (upload === this.#upload) this.fail(error as SdError)
    })
    stream.on('close', upload.destroy.bind(upload, undefined))
    upload.pipe(stream)
  }
}
