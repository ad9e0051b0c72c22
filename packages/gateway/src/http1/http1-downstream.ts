import { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { SdError } from '@sd/core'
import type { Downstream, RequestLimits } from '../exchange/downstream.ts'
import { Exchange } from '../exchange/exchange.ts'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import { hasField } from '../exchange/field-list.ts'
import type { ClientConnection } from '../listener/connection.ts'
import { flushSoon } from './flush.ts'
import { formatHead } from './format-head.ts'
import { bodyLength, Linger, lingerBytes } from './linger.ts'
import { toRequestHead } from './request-head.ts'

/** The longest body that is sent in one piece with its head: as text of one byte per character, which keeps no read buffer. */
const smallBodyBytes = 8_192

/** A request with its downstream in a field: listeners are shared functions instead of closures. */
export class Http1Request extends IncomingMessage {
  downstream: Http1Downstream | undefined
}

/** A response with its downstream in a field. */
export class Http1Response extends ServerResponse<Http1Request> {
  downstream: Http1Downstream | undefined
}

/** What a connection tells its requests. */
export interface Http1Owner {
  readonly context: ExchangeContext
  readonly connection: ClientConnection
  readonly limits: RequestLimits
  /** Value of the `keep-alive` field: how long an idle connection stays open. */
  readonly keepAlive: string
  /** The response has been sent, or can't be sent any more. */
  onOver(downstream: Http1Downstream): void
}

/** Sends the response of an exchange over HTTP/1.1. */
export class Http1Downstream implements Downstream {
  readonly #owner: Http1Owner
  readonly #request: Http1Request
  readonly #response: Http1Response
  readonly #exchange: Exchange
  readonly #expectsContinue: boolean
  #status = 0
  #statusText = ''
  #fields: string[] = []
  #hasBody = false
  /** A small first chunk: if it is also the last, it is sent with the head. */
  #held: Uint8Array | undefined
  #isHeadSent = false
  #isEnded = false
  #isAccepted = false
  #isBodyPaused = false
  #isBlocked = false
  #watchesDrain = false
  #closes = false
  #isBroken = false
  #linger: Linger | undefined

  constructor(owner: Http1Owner, request: Http1Request, response: Http1Response, expectsContinue: boolean) {
    this.#owner = owner
    this.#request = request
    this.#response = response
    this.#expectsContinue = expectsContinue
    const { context, connection, limits } = owner
    this.#exchange = new Exchange(context, { connection, limits, head: toRequestHead(request) }, this)
  }

  /** Begins the exchange. */
  start(): void {
    const response = this.#response
    response.sendDate = false
    response.downstream = this
    response.on('close', onClose)
    // The parser also reads the versions 0.9 and 2.0.
    if (this.#request.httpVersionMajor === 1) this.#exchange.start()
    else this.#exchange.refuse(505, 'The version of HTTP is not supported.')
  }

  /** The rest of the request is not valid. */
  onBadRequest(status: number, detail: string): void {
    if (this.#request.complete) {
      // The next request is meant: this one may end.
      this.closeAfter()
      return
    }
    this.#isBroken = true
    this.#linger?.finish(false)
    this.closeAfter()
    this.#exchange.onBadRequest(status, detail)
  }

  /** Nothing has moved on the connection for its time limit. @returns whether that was up to the client, which is cut off */
  onStalled(): boolean {
    const { complete } = this.#request
    const awaitsBody = this.#isAccepted && !complete && !this.#isBodyPaused
    if (!this.#isBlocked && !this.#isEnded && !awaitsBody) return false
    if (awaitsBody && !this.#isHeadSent) {
      this.#isBroken = true
      this.#exchange.onBadRequest(408, 'The request body did not arrive in time.')
    } else {
      this.#exchange.onClientGone(new SdError('SD_TIMEOUT', 'The client did not read the response in time'))
      this.#request.socket.destroy()
    }
    return true
  }

  onClose(): void {
    this.#linger?.stop()
    if (!this.#response.writableFinished) {
      this.#exchange.onClientGone(new SdError('SD_ABORTED', 'The client closed the connection'))
    }
    this.#owner.onOver(this)
  }

  onDrain(): void {
    this.#isBlocked = false
    this.#exchange.onWritable()
  }

  onBody(chunk: Uint8Array): void {
    this.#exchange.onBody(chunk)
  }

  onBodyEnd(): void {
    this.#exchange.onBodyEnd(this.#request.rawTrailers)
  }

  acceptBody(): void {
    this.#isAccepted = true
    if (this.#expectsContinue) this.#response.writeContinue()
    const request = this.#request
    request.downstream = this
    request.on('data', onBody)
    request.on('end', onBodyEnd)
  }

  information(status: number, rawHeaders: readonly string[]): void {
    if (status !== 103 || this.#request.httpVersionMinor === 0 || this.#isHeadSent) return
    this.#request.socket.write(formatHead(103, 'Early Hints', rawHeaders), 'latin1')
  }

  closeAfter(): void {
    this.#closes = true
  }

  head(status: number, statusText: string, rawHeaders: string[], hasBody: boolean): void {
    this.#status = status
    this.#statusText = statusText
    this.#fields = rawHeaders
    this.#hasBody = hasBody
    flushSoon(this)
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#isHeadSent && !this.#held && chunk.byteLength <= smallBodyBytes) {
      this.#held = chunk
      return true
    }
    this.flush()
    return this.#send(chunk)
  }

  /** Sends what is held back. */
  flush(): void {
    if (this.#isHeadSent || this.#isEnded || this.#response.destroyed) return
    this.#sendHead()
    const held = this.#held
    this.#held = undefined
    if (held) this.#send(held)
    else this.#response.flushHeaders()
  }

  end(rawTrailers: readonly string[]): void {
    const response = this.#response
    const hasUnread = this.#hasUnreadBody()
    // Whether the connection stays open is announced in the head.
    if (hasUnread && !this.#isAccepted && !this.#isHeadSent) this.#closes ||= this.#expectsContinue || !this.#isShort()
    if (hasUnread && this.#closes) {
      // With the end of the response Node.js closes the connection, and a client that still sends would not read it.
      this.flush()
      this.#linger = new Linger(this.#request, () => response.end())
    } else {
      if (this.#isHeadSent || rawTrailers.length > 0) this.#endWith(rawTrailers)
      else this.#sendWhole()
      if (hasUnread && this.#isAccepted)
        this.#linger = new Linger(this.#request, (isRead) => isRead || this.#request.socket.destroySoon())
    }
    this.#isEnded = true
  }

  upgrade(): Duplex {
    throw new SdError('SD_UNSUPPORTED', 'The connection of this request can not change its protocol')
  }

  cut(): void {
    this.#isEnded = true
    const { socket, httpVersionMinor } = this.#request
    // An end of the connection is the end of a response of HTTP/1.0: only a reset tells that it is incomplete.
    if (httpVersionMinor === 0 && !('encrypted' in socket)) socket.resetAndDestroy()
    else socket.destroy()
  }

  pauseBody(): void {
    this.#isBodyPaused = true
    this.#request.pause()
  }

  resumeBody(): void {
    if (!this.#isBodyPaused) return
    this.#isBodyPaused = false
    this.#request.resume()
  }

  #sendHead(): void {
    this.#isHeadSent = true
    if (this.#closes) this.#fields.push('connection', 'close')
    // A client that knows the time does not send a request while the connection is being closed.
    else if (this.#response.shouldKeepAlive) this.#fields.push('keep-alive', this.#owner.keepAlive)
    this.#response.writeHead(this.#status, this.#statusText, this.#fields)
  }

  #send(chunk: Uint8Array): boolean {
    if (this.#response.write(chunk)) return true
    this.#isBlocked = true
    if (!this.#watchesDrain) {
      this.#watchesDrain = true
      this.#response.on('drain', onDrain)
    }
    return false
  }

  /** Head and body in one piece, whose length is known now. */
  #sendWhole(): void {
    const held = this.#held
    this.#held = undefined
    if (this.#hasBody && !hasField(this.#fields, 'content-length'))
      this.#fields.push('content-length', String(held?.byteLength ?? 0))
    this.#sendHead()
    if (held) this.#response.end(toLatin1(held), 'latin1')
    else this.#response.end()
  }

  #endWith(rawTrailers: readonly string[]): void {
    this.flush()
    const response = this.#response
    if (rawTrailers.length > 0 && response.chunkedEncoding) {
      const pairs: [string, string][] = []
      for (let index = 0; index < rawTrailers.length; index += 2) {
        pairs.push([rawTrailers[index] as string, rawTrailers[index + 1] as string])
      }
      response.addTrailers(pairs)
    }
    response.end()
  }

  #hasUnreadBody(): boolean {
    const { complete, rawHeaders } = this.#request
    return !complete && !this.#isBroken && (this.#isAccepted || bodyLength(rawHeaders) > 0)
  }

  #isShort(): boolean {
    return bodyLength(this.#request.rawHeaders) <= lingerBytes
  }
}

function onClose(this: Http1Response): void {
  this.downstream?.onClose()
}

function onDrain(this: Http1Response): void {
  this.downstream?.onDrain()
}

function onBody(this: Http1Request, chunk: Uint8Array): void {
  this.downstream?.onBody(chunk)
}

function onBodyEnd(this: Http1Request): void {
  this.downstream?.onBodyEnd()
}

function toLatin1(chunk: Uint8Array): string {
  const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  return bytes.toString('latin1')
}
