import type { Duplex } from 'node:stream'
import type { SdError } from '@sd/core'
import { lengthError, UploadStream } from '../message/upload.ts'
import type { TransportExchange, TransportHandler, TransportRequest } from '../transport/transport.ts'
import type { Http1RequestHead } from './request-head.ts'
import type { Http1Head } from './response-head.ts'

/** The part of a connection that an exchange uses. */
export interface Http1Writer {
  /** Writes text of one byte per character. Returns false if the writer should wait for {@link Http1Exchange.onDrain}. */
  writeText(text: string): boolean
  /** Writes the parts at once. Returns false in the same way. */
  writeParts(head: string, body: Uint8Array | string, tail: string): boolean
  /** The exchange has ended before its response was complete. */
  abandon(): void
  /** Reads on after `onData` returned false. */
  resume(): void
}

const nothing: readonly string[] = Object.freeze([])

/** One exchange on a connection of HTTP/1.1. */
export class Http1Exchange implements TransportExchange {
  rawHeaders: readonly string[] = nothing
  rawTrailers: readonly string[] = nothing
  /** Whether its handler was notified. */
  hasEnded = false
  /** Whether the whole request has been written. */
  isRequestSent = false
  readonly request: TransportRequest
  readonly #handler: TransportHandler
  #head: Http1RequestHead | undefined
  #writer: Http1Writer | undefined
  #left = Number.NaN
  #hasPushedAll = false
  #upload: UploadStream | undefined
  /** Whether the head waits for the end of a body that ought to be empty. */
  #isHeld = false
  /** Chunks that were pushed before there was a connection. */
  #pending: Uint8Array[] | undefined

  constructor(request: TransportRequest, handler: TransportHandler) {
    this.request = request
    this.#handler = handler
  }

  /** @param head the request, as it is written */
  prepare(head: Http1RequestHead): void {
    this.#head = head
    // What was pushed before is not counted yet.
    this.#left = head.length
  }

  /** Sends the request on a connection, which has just become its own. */
  start(writer: Http1Writer): void {
    const { body, pushed } = this.request
    const { text } = this.#head as Http1RequestHead
    this.#writer = writer
    this.#handler.onSend()
    if (this.hasEnded) return
    if (pushed === true) this.#startPushing(text)
    else if (body === null) {
      writer.writeText(text)
      this.isRequestSent = true
    } else if (typeof body === 'string' || body instanceof Uint8Array) {
      writer.writeParts(text, body, '')
      this.isRequestSent = true
    } else {
      writer.writeText(text)
      this.#startUpload(body)
    }
  }

  write(chunk: Uint8Array): boolean {
    if (this.hasEnded || this.#hasPushedAll) return true
    if (this.#writer && this.#head) return this.#writeChunk(chunk)
    this.#pending ??= []
    this.#pending.push(chunk)
    return false
  }

  end(): void {
    if (this.hasEnded || this.#hasPushedAll) return
    this.#hasPushedAll = true
    if (this.#writer) this.#endBody()
  }

  abort(reason: SdError): void {
    this.fail(reason)
  }

  resume(): void {
    if (!this.hasEnded) this.#writer?.resume()
  }

  /** Ends it with an error, at once. */
  fail(error: SdError, wasSent?: boolean): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.#writer?.abandon()
    // A body that has begun can't be sent again, whatever the peer saw of it.
    const hasBegun = this.#upload?.hasBegun === true
    this.#upload?.destroy()
    this.#handler.onError(error, hasBegun ? undefined : wasSent)
  }

  onDrain(): void {
    if (this.hasEnded || this.isRequestSent) return
    if (this.#upload) this.#upload.resume()
    else this.#handler.onDrain?.()
  }

  onHead({ status, raw, fields, statusText }: Http1Head): void {
    this.rawHeaders = raw
    if (status >= 200) this.#handler.onResponse(status, fields, statusText)
    else this.#handler.onInformation?.(status, fields)
  }

  onUpgrade({ status, raw, fields }: Http1Head, socket: Duplex): void {
    this.rawHeaders = raw
    this.hasEnded = true
    this.#handler.onUpgrade?.(status, fields, socket)
  }

  /** Whether its handler takes the protocol that it has asked for. */
  get acceptsUpgrade(): boolean {
    return this.request.upgrade !== undefined && this.#handler.onUpgrade !== undefined
  }

  onData(chunk: Uint8Array): boolean {
    return this.#handler.onData(chunk)
  }

  /** The response is complete. */
  onComplete(rawTrailers: readonly string[]): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.#upload?.destroy()
    this.rawTrailers = rawTrailers
    const trailers: Record<string, string> = {}
    for (let index = 0; index < rawTrailers.length; index += 2) {
      trailers[(rawTrailers[index] as string).toLowerCase()] = rawTrailers[index + 1] as string
    }
    this.#handler.onEnd(trailers)
  }

  #writeChunk(chunk: Uint8Array): boolean {
    const writer = this.#writer as Http1Writer
    if (chunk.length === 0) return true
    if (this.#head?.framing === 'chunked') return writer.writeParts(`${chunk.length.toString(16)}\r\n`, chunk, '\r\n')
    this.#left -= chunk.length
    if (this.#left >= 0) return writer.writeParts('', chunk, '')
    this.fail(lengthError())
    return true
  }

  #endBody(): void {
    if (this.#left > 0) {
      this.fail(lengthError())
      return
    }
    if (this.#isHeld) this.#writer?.writeText((this.#head as Http1RequestHead).text)
    if (this.#head?.framing === 'chunked') this.#writer?.writeText('0\r\n\r\n')
    this.isRequestSent = true
  }

  #startPushing(head: string): void {
    // It would be a whole request, whatever is pushed afterwards.
    this.#isHeld = this.#head?.length === 0
    let isFree = this.#isHeld || (this.#writer as Http1Writer).writeText(head)
    const pending = this.#pending
    this.#pending = undefined
    for (const chunk of pending ?? []) {
      isFree = this.#writeChunk(chunk)
      if (this.hasEnded) return
    }
    if (this.#hasPushedAll) this.#endBody()
    else if (pending && isFree) this.#handler.onDrain?.()
  }

  #startUpload(body: AsyncIterable<Uint8Array>): void {
    const upload = new UploadStream(body)
    this.#upload = upload
    upload.on('error', (error) => this.fail(error as SdError))
    upload.on('end', () => {
      if (!this.hasEnded) this.#endBody()
    })
    upload.on('data', (chunk: Uint8Array) => {
      if (!this.hasEnded && !this.#writeChunk(chunk)) upload.pause()
    })
  }
}
