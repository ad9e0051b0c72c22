import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { SdError } from '@sd/core'
import type { Downstream, RequestLimits } from '../exchange/downstream.ts'
import { Exchange } from '../exchange/exchange.ts'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import { hasField } from '../exchange/field-list.ts'
import type { ClientConnection } from '../listener/connection.ts'
import { readAccepted, readExtendedConnect } from './extended-connect.ts'
import { expectsContinue, readHead, toFields, toHead } from './http2-fields.ts'
import { preloadPaths, pushedFields } from './push.ts'

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants

/** What a connection tells its streams. */
export interface Http2Owner {
  readonly context: ExchangeContext
  readonly connection: ClientConnection
  readonly limits: RequestLimits
  /** Pushes a response to this request. @param raw its fields, pseudo-header fields first */
  push(parent: ServerHttp2Stream, raw: readonly string[]): void
  /** The stream is closed. @param isCancelled whether the client has reset it before its response was complete */
  onOver(downstream: Http2Downstream, isCancelled: boolean): void
}

/** A stream with its request; all streams share their listeners. */
interface OwnedStream extends ServerHttp2Stream {
  downstream?: Http2Downstream
}

/** Receives the request of a stream and sends the response of its exchange. */
export class Http2Downstream implements Downstream {
  readonly #owner: Http2Owner
  readonly #stream: OwnedStream
  readonly #exchange: Exchange
  readonly #rawHeaders: readonly string[]
  #rawTrailers: readonly string[] = []
  #trailers: readonly string[] = []
  #isAccepted = false
  #isRequestComplete: boolean
  #isBodyPaused = false
  #isEnded = false
  /** Whether the gateway has reset the stream. */
  #isCut = false
  #chunks = 0
  #written = 0
  #progress = 0
  #quietSince: number

  readonly #isPushed: boolean
  /** Protocol of an extended CONNECT that the gateway does not know. */
  readonly #unknown: string | undefined
  readonly #key: string | undefined
  #isUpgraded = false

  /** @param raw fields of the request, pseudo-header fields first @param isPushed whether the gateway makes the request itself */
  constructor(owner: Http2Owner, stream: ServerHttp2Stream, raw: readonly string[], now: number, isPushed: boolean = false) {
    const { context, connection, limits } = owner
    const isComplete = isPushed || stream.endAfterHeaders
    const { head: given, protocol } = readHead(raw, isComplete)
    const isKnown = protocol !== undefined && context.upgrades.has(protocol)
    const { head, key } = isKnown ? readExtendedConnect(given, protocol) : { head: given }
    this.#key = key
    this.#unknown = isKnown ? undefined : protocol
    this.#owner = owner
    this.#stream = stream
    this.#rawHeaders = head.rawHeaders
    this.#isRequestComplete = isComplete
    this.#isPushed = isPushed
    this.#quietSince = now
    this.#exchange = new Exchange(context, { connection, limits, head }, this)
  }

  /** Begins the exchange. */
  start(): void {
    const stream = this.#stream
    stream.downstream = this
    stream.on('error', ignore)
    stream.on('close', onClose)
    if (this.#unknown === undefined) this.#exchange.start()
    else this.#exchange.refuse(501, 'The gateway does not know the protocol of the request.')
  }

  /** Whether its stream has become a connection of another protocol. */
  get isUpgraded(): boolean {
    return this.#isUpgraded
  }

  /**
   * Cuts the stream off if the client has neither sent nor read anything for the time limit, although it is its turn.
   *
   * @param now by `performance.now()`
   */
  check(now: number, idleBodyMs: number): void {
    if (this.#isUpgraded) return
    const pending = this.#stream.writableLength
    const awaitsBody = this.#isAccepted && !this.#isRequestComplete && !this.#isBodyPaused
    const progress = this.#chunks + this.#written - pending
    if ((!awaitsBody && pending === 0) || progress !== this.#progress) {
      this.#progress = progress
      this.#quietSince = now
    } else if (now - this.#quietSince >= idleBodyMs) {
      if (awaitsBody && !this.#stream.headersSent) {
        this.#exchange.onBadRequest(408, 'The request body did not arrive in time.')
      } else {
        this.#exchange.onClientGone(new SdError('SD_TIMEOUT', 'The client did not read the response in time'))
        this.#reset(NGHTTP2_CANCEL)
      }
    }
  }

  onClose(): void {
    // A client resets pushes that it does not want.
    const isCancelled = !this.#isEnded && !this.#isCut && !this.#isPushed
    if (!this.#isEnded || !this.#stream.writableFinished) {
      this.#exchange.onClientGone(new SdError('SD_ABORTED', 'The client reset the stream or closed the connection'))
    }
    this.#owner.onOver(this, isCancelled)
  }

  onBody(chunk: Uint8Array): void {
    this.#chunks++
    this.#exchange.onBody(chunk)
  }

  onTrailers(raw: readonly string[]): void {
    this.#rawTrailers = raw
  }

  onBodyEnd(): void {
    // A stream that was reset ends too. Only its close tells that the body is incomplete.
    if (this.#stream.aborted || this.#stream.rstCode !== NGHTTP2_NO_ERROR) return
    this.#isRequestComplete = true
    this.#exchange.onBodyEnd(this.#rawTrailers)
  }

  onDrain(): void {
    this.#exchange.onWritable()
  }

  onWantTrailers(): void {
    this.#stream.sendTrailers(toFields(this.#trailers))
  }

  onFinish(): void {
    // RFC 9113, 8.1: the rest of the request is not needed.
    if (!this.#isRequestComplete) this.#reset(NGHTTP2_NO_ERROR)
  }

  acceptBody(): void {
    const stream = this.#stream
    this.#isAccepted = true
    if (expectsContinue(this.#rawHeaders)) this.#inform(100, [])
    stream.on('data', onBody)
    stream.on('end', onBodyEnd)
    stream.on('trailers', onTrailers)
  }

  information(status: number, rawHeaders: readonly string[]): void {
    // The gateway itself says 100, and a connection of HTTP/2 can't change its protocol.
    if (status > 101) this.#inform(status, rawHeaders)
  }

  closeAfter(): void {
    // The frames of a stream tell where its request ends: nothing is in doubt about the others.
  }

  head(status: number, _statusText: string, rawHeaders: string[], hasBody: boolean): void {
    const stream = this.#stream
    if (stream.closed || stream.destroyed) return
    if (status === 200 && this.#exchange.allowsPush) this.#push(rawHeaders)
    const waitForTrailers = hasBody && (hasField(rawHeaders, 'trailer') || this.#exchange.header('te') === 'trailers')
    if (waitForTrailers) stream.on('wantTrailers', onWantTrailers)
    if (!this.#isRequestComplete) stream.on('finish', onFinish)
    stream.respond(toHead(status, rawHeaders), { endStream: !hasBody, waitForTrailers, sendDate: false } as object)
    if (hasBody) stream.on('drain', onDrain)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#stream.closed || this.#stream.destroyed) return true
    this.#written += chunk.byteLength
    return this.#stream.write(chunk)
  }

  end(rawTrailers: readonly string[]): void {
    this.#isEnded = true
    this.#trailers = rawTrailers
    if (!this.#stream.destroyed) this.#stream.end()
  }

  upgrade(rawHeaders: readonly string[]): Duplex {
    const stream = this.#stream
    const fields = readAccepted(rawHeaders, this.#key)
    this.#isUpgraded = true
    this.#isEnded = true
    stream.respond(toHead(200, fields), { sendDate: false } as object)
    return stream
  }

  cut(): void {
    this.#reset(NGHTTP2_INTERNAL_ERROR)
  }

  pauseBody(): void {
    this.#isBodyPaused = true
    this.#stream.pause()
  }

  resumeBody(): void {
    if (!this.#isBodyPaused) return
    this.#isBodyPaused = false
    this.#stream.resume()
  }

  #push(rawHeaders: readonly string[]): void {
    const stream = this.#stream
    const { authority, connection, method } = this.#exchange
    if (this.#isPushed || method !== 'GET' || !stream.pushAllowed) return
    for (const path of preloadPaths(rawHeaders)) {
      this.#owner.push(stream, pushedFields(path, authority, connection.tls ? 'https' : 'http', this.#rawHeaders))
    }
  }

  #reset(code: number): void {
    const stream = this.#stream
    this.#isCut = true
    // `close` ends the stream first: an incomplete response would look complete, and the reset after it would not count.
    if (!stream.writableEnded) stream._final = (done) => done()
    stream.close(code)
  }

  #inform(status: number, rawHeaders: readonly string[]): void {
    const stream = this.#stream
    if (stream.headersSent || stream.closed || stream.destroyed) return
    stream.additionalHeaders({ ':status': status, ...toFields(rawHeaders) })
  }
}

function ignore(): void {
  // Its close follows.
}

function onClose(this: OwnedStream): void {
  this.downstream?.onClose()
}

function onBody(this: OwnedStream, chunk: Uint8Array): void {
  this.downstream?.onBody(chunk)
}

function onBodyEnd(this: OwnedStream): void {
  this.downstream?.onBodyEnd()
}

function onTrailers(this: OwnedStream, _fields: unknown, _flags: number, raw?: unknown): void {
  if (Array.isArray(raw)) this.downstream?.onTrailers(raw)
}

function onDrain(this: OwnedStream): void {
  this.downstream?.onDrain()
}

function onFinish(this: OwnedStream): void {
  this.downstream?.onFinish()
}

function onWantTrailers(this: OwnedStream): void {
  this.downstream?.onWantTrailers()
}
