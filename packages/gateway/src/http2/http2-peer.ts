import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { SdError } from '@sd/core'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import type { ClientConnection } from '../listener/connection.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import type { Flooders } from './flooders.ts'
import { Http2Downstream, type Http2Owner } from './http2-downstream.ts'
import { toFields } from './http2-fields.ts'

/** Time over which floods are counted, in milliseconds. */
const floodWindowMs = 10_000

/** Most PING frames in that time. Some libraries of gRPC send one per round trip while they measure the bandwidth. */
const mostPings = 2_000

/** Cancelled requests in that time after which further ones of a connection wait, and how long, in milliseconds. */
const freeCancels = 20
const suspicionMs = 25

/** Most SETTINGS frames in that time. */
const mostSettings = 100

/** Bytes of all requests of a connection that may arrive before they are passed on. */
const connectionWindow = 524_288

/** The highest id of a stream. */
const lastStream = 2 ** 31 - 1

/** What the connections of a front share. */
export interface Http2Scope {
  readonly context: ExchangeContext
  readonly listener: ResolvedListener
  readonly flooders: Flooders
}

/** A connection of HTTP/2. */
export class Http2Peer implements Http2Owner {
  readonly context: ExchangeContext
  readonly connection: ClientConnection
  readonly limits: ResolvedListener['limits']
  readonly #flooders: Flooders
  readonly #timeouts: ResolvedListener['timeouts']
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  readonly #streams = new Set<Http2Downstream>()
  #requests = 0
  #isReady = false
  #isLast = false
  #idleSince = performance.now()
  /** When it began to close. */
  #closingSince: number | undefined
  #floodSince = performance.now()
  #cancelled = 0
  #pings = 0
  #settings = 0

  constructor(
    { context, listener, flooders }: Http2Scope,
    session: ServerHttp2Session,
    { socket, connection }: { readonly socket: Socket; readonly connection: ClientConnection },
  ) {
    this.context = context
    this.connection = connection
    this.limits = listener.limits
    this.#flooders = flooders
    this.#timeouts = listener.timeouts
    this.#session = session
    this.#socket = socket
    session.setLocalWindowSize(connectionWindow)
    session.on('stream', (stream, _fields, _flags, raw?: unknown) => this.#serve(stream, raw as readonly string[]))
    session.on('ping', () => this.#limit(++this.#pings, mostPings))
    session.on('remoteSettings', () => {
      this.#isReady = true
      this.#limit(++this.#settings, mostSettings)
    })
  }

  /** Requests whose response is not complete. */
  get requests(): number {
    let requests = 0
    for (const { isUpgraded } of this.#streams) if (!isUpgraded) requests++
    return requests
  }

  /** Sends GOAWAY: the client sends later requests on another connection. Those in progress continue. */
  close(): void {
    if (this.#closingSince !== undefined) return
    this.#closingSince = performance.now()
    const session = this.#session
    // After a GOAWAY, Node.js reads nothing from a connection without requests.
    if (this.#streams.size === 0 || session.destroyed) {
      session.close()
      return
    }
    // RFC 9113, 6.8: what the client sends before it reads this is still served, so the last request is not known yet.
    session.goaway(constants.NGHTTP2_NO_ERROR, lastStream)
    // When the client has acknowledged a PING, it has read the GOAWAY before it.
    session.ping(() => session.close())
  }

  /** Closes with a request in progress, or when the next one has begun: a request that is on its way is served. */
  closeSoon(): void {
    this.#isLast = true
    if (this.#streams.size > 0) this.close()
  }

  /** Applies the time limits. @param now by `performance.now()` */
  check(now: number): void {
    const { handshakeMs, idleConnectionMs, idleBodyMs } = this.#timeouts
    for (const downstream of this.#streams) downstream.check(now, idleBodyMs)
    if (this.#streams.size > 0) return
    // A client that does not read keeps a connection open that has ended.
    if (this.#closingSince !== undefined && now - Math.max(this.#closingSince, this.#idleSince) >= handshakeMs) {
      this.#socket.destroy()
    } else if (!this.#isReady && now - this.#idleSince >= handshakeMs) this.#socket.destroy()
    else if (now - this.#idleSince >= idleConnectionMs) this.close()
  }

  push(parent: ServerHttp2Stream, raw: readonly string[]): void {
    parent.pushStream(toFields(raw), (error, stream) => {
      // Otherwise the client allows no more streams, or has closed the connection.
      if (!error) this.#start(new Http2Downstream(this, stream, raw, performance.now(), true))
    })
  }

  onOver(downstream: Http2Downstream, isCancelled: boolean): void {
    this.#streams.delete(downstream)
    if (this.#streams.size === 0) {
      this.#idleSince = performance.now()
      if (this.#closingSince !== undefined) this.#session.close()
    }
    if (isCancelled) this.#limit(++this.#cancelled, this.limits.cancelledStreams)
  }

  #serve(stream: ServerHttp2Stream, raw: readonly string[]): void {
    // A request costs its client nothing if it is cancelled at once, and the services much. It begins if it is still wanted.
    if (this.#cancelled < freeCancels || isClosed(stream)) this.#begin(stream, raw)
    else {
      stream.on('error', ignore)
      setTimeout(() => this.#begin(stream, raw), suspicionMs)
    }
  }

  #begin(stream: ServerHttp2Stream, raw: readonly string[]): void {
    if (isClosed(stream)) {
      stream.on('error', ignore)
      this.#limit(++this.#cancelled, this.limits.cancelledStreams)
      return
    }
    this.#start(new Http2Downstream(this, stream, raw, performance.now()))
    if (this.#isLast) this.close()
    if (++this.#requests < this.limits.requestsPerConnection) return
    this.#closingSince ??= performance.now()
    this.#session.close()
  }

  #start(downstream: Http2Downstream): void {
    this.#streams.add(downstream)
    downstream.start()
  }

  /** Ends the connection if one kind of frame exceeds its limit within the time. */
  #limit(count: number, most: number): void {
    const now = performance.now()
    if (now - this.#floodSince >= floodWindowMs) {
      this.#floodSince = now
      this.#cancelled = 0
      this.#pings = 0
      this.#settings = 0
    } else if (count > most && !this.#session.destroyed) {
      this.#flooders.add(this.connection)
      this.#session.destroy(
        new SdError('SD_REJECTED', 'The client sends too many frames of one kind'),
        constants.NGHTTP2_ENHANCE_YOUR_CALM,
      )
    }
  }
}

function isClosed(stream: ServerHttp2Stream): boolean {
  return stream.closed || stream.destroyed
}

function ignore(): void {
  // The client has reset the stream.
}
