import type { Socket } from 'node:net'
import { SdError } from '@sd/core'
import { toTransportFailure } from '../transport/transport-errors.ts'
import type { Http1Exchange, Http1Writer } from './http1-exchange.ts'
import { type Http1Head, malformed } from './response-head.ts'
import { type ParserSink, ResponseParser } from './response-parser.ts'

/** The owner of a connection. */
export interface ConnectionOwner {
  readonly maxHeadBytes: number
  readonly keepAliveTimeoutMs: number
  /** The connection takes another request. */
  onIdle(connection: Http1Connection): void
  /** The connection takes no more requests. Called once. */
  onLeave(connection: Http1Connection): void
}

/** A connection that is kept for less than this is closed instead, in milliseconds. */
const leastKeepAliveMs = 100
/** The server may close a connection this long before the time that it announces, in milliseconds. */
const keepAliveMarginMs = 1_000

/** One connection of HTTP/1.1, with one exchange at a time. */
export class Http1Connection implements ParserSink, Http1Writer {
  /** Until when it may be used again, by `performance.now()`. */
  usableUntil = 0
  readonly #owner: ConnectionOwner
  readonly #socket: Socket
  readonly #parser: ResponseParser
  #exchange: Http1Exchange | undefined
  #error: Error | undefined
  #hasLeft = false
  #isPaused = false
  /** The response is complete, and its reader has paused. */
  #holdsEnd = false
  #watchesDrain = false
  /** Bytes behind the last response. */
  #surplus = 0
  #upgraded: Http1Head | undefined

  /** @param socket a connected one, whose bytes the owner passes to {@link Http1Connection.onRead} */
  constructor(owner: ConnectionOwner, socket: Socket) {
    this.#owner = owner
    this.#socket = socket
    this.#parser = new ResponseParser(this, owner.maxHeadBytes)
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('end', () => this.#onEnd())
    socket.on('close', () => this.#onClose())
  }

  get isOver(): boolean {
    return this.#hasLeft || this.#exchange === undefined || this.#exchange.hasEnded
  }

  /** Sends a request. Only for an idle connection. */
  start(exchange: Http1Exchange): void {
    this.#exchange = exchange
    this.#parser.begin(exchange.request.method)
    this.#socket.ref()
    exchange.start(this)
  }

  /** Bytes have arrived, which change afterwards. @returns whether to read on */
  onRead(data: Buffer): boolean {
    if (!this.#exchange) {
      // Nothing was asked: the bytes could be taken for the response to the next request.
      this.destroy()
      return false
    }
    try {
      this.#surplus = this.#parser.push(data)
    } catch (error) {
      this.#exchange.fail(error as SdError)
      return false
    }
    if (this.#hasLeft && !this.#upgraded) return false
    if (this.#upgraded) {
      this.#handOver(data)
      return true
    }
    if (!this.#parser.isComplete) return !this.#isPaused
    else if (this.#isPaused) this.#holdsEnd = true
    else this.#complete()
    return !this.#isPaused && !this.#hasLeft
  }

  onHead(head: Http1Head): void {
    const exchange = this.#exchange as Http1Exchange
    if (head.status !== 101) exchange.onHead(head)
    else if (exchange.acceptsUpgrade) this.#upgraded = head
    else throw malformed('a change of protocol that was not requested')
  }

  onBody(chunk: Buffer): void {
    if (this.#exchange?.onData(chunk) === false) this.#isPaused = true
  }

  writeText(text: string): boolean {
    return this.#watch(this.#socket.write(text, 'latin1'))
  }

  writeParts(head: string, body: Uint8Array | string, tail: string): boolean {
    const socket = this.#socket
    socket.cork()
    if (head !== '') socket.write(head, 'latin1')
    const isFree = socket.write(body)
    if (tail !== '') socket.write(tail, 'latin1')
    socket.uncork()
    return this.#watch(isFree)
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#holdsEnd) {
      this.#holdsEnd = false
      this.#complete()
    } else this.#socket.resume()
  }

  abandon(): void {
    this.destroy()
  }

  /** It waits for a request. The process may end. */
  rest(): void {
    this.#socket.unref()
  }

  /** Ends it, and its exchange with an error. */
  end(error: SdError): void {
    this.#exchange?.fail(error)
    this.destroy()
  }

  destroy(): void {
    this.#leave()
    this.#socket.destroy()
  }

  #watch(isFree: boolean): boolean {
    if (!isFree && !this.#watchesDrain) {
      this.#watchesDrain = true
      this.#socket.on('drain', () => this.#exchange?.onDrain())
    }
    return isFree
  }

  /** The response is complete. Its reader is notified last: the connection is free then. */
  #complete(): void {
    const exchange = this.#exchange as Http1Exchange
    const { rawTrailers, keepAliveMs } = this.#parser
    const keptMs = Math.min(this.#owner.keepAliveTimeoutMs, (keepAliveMs ?? Number.POSITIVE_INFINITY) - keepAliveMarginMs)
    const isReusable = this.#parser.keepsAlive && exchange.isRequestSent && this.#surplus === 0 && keptMs >= leastKeepAliveMs
    this.#exchange = undefined
    if (isReusable) {
      this.usableUntil = performance.now() + keptMs
      this.#owner.onIdle(this)
    } else this.destroy()
    exchange.onComplete(rawTrailers)
  }

  /** The socket belongs to the protocol that was asked for, with what has arrived of it. */
  #handOver(data: Buffer): void {
    const exchange = this.#exchange as Http1Exchange
    const socket = this.#socket
    this.#exchange = undefined
    this.#leave()
    for (const event of ['data', 'end', 'close', 'drain']) socket.removeAllListeners(event)
    // As if it was never read: its next reader decides about the flow.
    Object.assign(socket, { readableFlowing: null })
    if (this.#surplus > 0) socket.unshift(Buffer.from(data.subarray(data.length - this.#surplus)))
    exchange.onUpgrade(this.#upgraded as Http1Head, socket)
  }

  #onEnd(): void {
    if (this.#exchange && this.#parser.finish()) this.#complete()
    else this.#socket.destroy()
  }

  #onClose(): void {
    this.#leave()
    const exchange = this.#exchange
    this.#exchange = undefined
    if (!exchange) return
    const error = this.#error ? toTransportFailure(this.#error).error : closedEarly()
    exchange.fail(error)
  }

  #leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#owner.onLeave(this)
  }
}

function closedEarly(): SdError {
  const message = 'The server closed the connection before the response was complete'
  return new SdError('SD_UNAVAILABLE', message, { origin: 'network', retryable: true })
}
