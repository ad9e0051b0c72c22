import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SdError } from '@sd/core'
import { Exchange } from '../exchange/exchange.ts'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import type { ClientConnection } from '../listener/connection.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import { Http1Downstream, type Http1Owner, type Http1Request, type Http1Response } from './http1-downstream.ts'
import { refusalOf } from './parse-errors.ts'
import { RawDownstream } from './raw-downstream.ts'
import { toRequestHead } from './request-head.ts'

/** Requests that a client may send before the response to an earlier one. A read of 64 KiB can bring hundreds. */
const mostPipelined = 64

interface PipelinedRequest {
  readonly request: Http1Request
  readonly response: Http1Response
  readonly expectsContinue: boolean
}

/** A connection of HTTP/1.1: its requests are handled one after the other. */
export class Http1Peer implements Http1Owner {
  readonly context: ExchangeContext
  readonly connection: ClientConnection
  readonly limits: ResolvedListener['limits']
  readonly keepAlive: string
  readonly #socket: Duplex
  readonly #idleBodyMs: number
  readonly #idleConnectionMs: number
  /** Time limit of the socket: until something moves on it. */
  readonly #quietMs: number
  /** How long nothing has moved: since the last request, or in the current one. */
  #quietForMs = 0
  /** Bytes in both directions when that was found. */
  #moved = 0
  #current: Http1Downstream | undefined
  /** Of the last request, if the parser has left the connection. */
  #raw: RawDownstream | undefined
  #pipelined: PipelinedRequest[] = []
  #requests = 0
  /** Takes no more requests. */
  #isClosing = false
  /** The next response ends the connection. */
  #isDraining = false

  constructor(context: ExchangeContext, listener: ResolvedListener, socket: Duplex, connection: ClientConnection) {
    this.context = context
    this.connection = connection
    this.limits = listener.limits
    this.keepAlive = `timeout=${Math.floor(listener.timeouts.idleConnectionMs / 1000)}`
    this.#socket = socket
    this.#idleBodyMs = listener.timeouts.idleBodyMs
    this.#idleConnectionMs = listener.timeouts.idleConnectionMs
    this.#quietMs = Math.min(this.#idleBodyMs, this.#idleConnectionMs)
  }

  /** Whether it has a request whose response is not complete. */
  get isBusy(): boolean {
    return this.#current !== undefined || this.#raw?.isUpgraded === false
  }

  /** Whether it is a connection of another protocol now. */
  get isUpgraded(): boolean {
    return this.#raw?.isUpgraded === true
  }

  /** Closes the connection after the requests that have arrived, or after the next one. */
  closeAfterRequest(): void {
    this.#isDraining = true
    if (this.#pipelined.length === 0) this.#current?.closeAfter()
  }

  serve(request: Http1Request, response: Http1Response, expectsContinue: boolean): void {
    if (this.#isClosing) return
    if (!this.#current) {
      this.#begin({ request, response, expectsContinue })
      return
    }
    this.#pipelined.push({ request, response, expectsContinue })
    if (this.#pipelined.length >= mostPipelined) this.#isClosing = true
    this.#socket.pause()
  }

  onOver(downstream: Http1Downstream): void {
    if (this.#current !== downstream) return
    this.#current = undefined
    this.#quietForMs = 0
    const next = this.#pipelined.shift()
    if (this.#socket.destroyed) this.#pipelined = []
    else if (next) this.#begin(next)
    else if (this.#isClosing || this.#isDraining) (this.#socket as Socket).destroySoon()
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  /** Nothing has moved for the time limit of the socket. */
  onTimeout(): void {
    const { bytesRead, bytesWritten } = this.#socket as Socket
    const moved = bytesRead + bytesWritten
    this.#quietForMs = moved === this.#moved ? this.#quietForMs + this.#quietMs : this.#quietMs
    this.#moved = moved
    const limitMs = this.#current ? this.#idleBodyMs : this.#idleConnectionMs
    if (this.#quietForMs < limitMs) this.#watch()
    else if (!this.#current) this.#socket.destroy()
    else if (!this.#current.onStalled()) {
      this.#quietForMs = 0
      this.#watch()
    }
  }

  /** A timer that has fired is not set again by itself. */
  #watch(): void {
    ;(this.#socket as Socket).setTimeout(this.#quietMs)
  }

  /** The parser, or the socket, has failed. It may say so several times. */
  onError(error: NodeJS.ErrnoException): void {
    const refusal = refusalOf(error)
    const hasSentNothing = (this.#socket as Socket).bytesRead === 0
    if (!this.#socket.writable || !refusal || hasSentNothing) {
      this.#socket.destroy()
      return
    }
    if (this.#isClosing) return
    this.#isClosing = true
    this.#pipelined = []
    if (this.#current) this.#current.onBadRequest(refusal.status, refusal.detail)
    else
      this.#exchangeOf({ method: '', url: '', rawHeaders: [], httpVersionMinor: 1 }).exchange.refuse(
        refusal.status,
        refusal.detail,
      )
  }

  /** A request after which the parser has left the connection. @param protocol to change to */
  serveRaw(request: IncomingMessage, head: Uint8Array, protocol?: string): void {
    const socket = this.#socket as Socket
    if (this.#current || this.#isClosing) {
      socket.destroy()
      return
    }
    this.#isClosing = true
    socket.setTimeout(0)
    if (head.byteLength > 0) socket.unshift(head)
    const { exchange } = this.#exchangeOf(request, protocol)
    socket.on('drain', () => exchange.onWritable())
    socket.on('close', () => exchange.onClientGone(new SdError('SD_ABORTED', 'The client closed the connection')))
    exchange.start()
  }

  #begin({ request, response, expectsContinue }: PipelinedRequest): void {
    const downstream = new Http1Downstream(this, request, response, expectsContinue)
    this.#current = downstream
    this.#quietForMs = 0
    if (++this.#requests >= this.limits.requestsPerConnection) {
      this.#isClosing = true
      this.#pipelined = []
    }
    if ((this.#isDraining || this.#isClosing) && this.#pipelined.length === 0) downstream.closeAfter()
    downstream.start()
  }

  #exchangeOf(request: Parameters<typeof toRequestHead>[0], upgrade?: string): { readonly exchange: Exchange } {
    const { context, connection, limits } = this
    const downstream = new RawDownstream(this.#socket, upgrade)
    this.#raw = downstream
    return { exchange: new Exchange(context, { head: toRequestHead(request, upgrade), limits, connection }, downstream) }
  }
}
