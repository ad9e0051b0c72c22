import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type Endpoint, SdError } from '@sd/core'
import { LinkedList } from '../call/linked-list.ts'
import { toTransportFailure } from '../transport/transport-errors.ts'
import type { Http2Connection, Http2Exchange } from './http2-exchange.ts'
import type { ResolvedHttp2Options } from './http2-options.ts'
import { ResetBudget } from './reset-budget.ts'

/** Input of a connection. */
export interface Http2SessionOptions extends ResolvedHttp2Options {
  /** Name that the certificate must have. */
  readonly serverName: string | undefined
  /** A stream can be opened: the connection was made, or a stream ended. */
  readonly onRoom: () => void
  /** Whether another connection may take its place while its last streams end. */
  readonly mayRetire: () => boolean
  /** Sends a request that the server did not process on another connection. */
  readonly onRefused: (exchange: Http2Exchange) => void
  /** The connection is closed. @param error the reason, if it was never established */
  readonly onClose: (error: SdError | undefined) => void
}

/** The window that undici also uses: with the 64 KiB of the protocol a connection of 20 ms would carry 3 MB/s. */
const streamWindowBytes = 262_144
const sessionWindowBytes = 1_048_576

/** One connection to an endpoint. */
export class Http2Session implements Http2Connection {
  /** Whether the connection is being opened. */
  isConnecting = true
  /** Whether it takes no new requests: it is closed, or the server sent GOAWAY. */
  isDraining = false
  readonly scheme: string
  readonly authority: string
  readonly #endpoint: Endpoint
  readonly #options: Http2SessionOptions
  readonly #exchanges = new LinkedList<Http2Exchange>()
  readonly #resets = new ResetBudget()
  #session: ClientHttp2Session | undefined
  #socket: Socket | TLSSocket | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #activeAt = 0
  /** Streams above this were not processed. */
  #lastStreamId = Number.POSITIVE_INFINITY
  #isClosed = false
  /** The server sent GOAWAY without an error. */
  #receivedGoaway = false
  /** Why it ended, if the library does not report it. */
  #reason: SdError | undefined

  constructor(endpoint: Endpoint, options: Http2SessionOptions) {
    this.#endpoint = endpoint
    const schemeEnd = endpoint.origin.indexOf(':')
    this.scheme = endpoint.origin.slice(0, schemeEnd)
    this.authority = endpoint.origin.slice(schemeEnd + 3)
    this.#options = options
    this.#timer = setTimeout(() => {
      // Without a socket it waits for certificates, which is not the endpoint's fault.
      const error = this.#socket
        ? new SdError('SD_UNAVAILABLE', `No connection within ${options.connectTimeoutMs} ms`)
        : new SdError('SD_TIMEOUT', `No certificates within ${options.connectTimeoutMs} ms`, {
            origin: 'local',
            retryable: false,
          })
      this.destroy(error)
    }, options.connectTimeoutMs)
    void this.#connect()
  }

  /** Whether another stream can be opened now. */
  get hasRoom(): boolean {
    if (this.isConnecting || this.isDraining) return false
    const served = this.#session?.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY
    return this.#exchanges.size < Math.min(this.#options.maxStreams, served)
  }

  /** Sends a request on its own stream. */
  start(exchange: Http2Exchange): void {
    const session = this.#session as ClientHttp2Session
    this.#exchanges.add(exchange)
    if (this.#exchanges.size === 1) this.#watch()
    exchange.start(session, this)
  }

  onActivity(): void {
    this.#activeAt = performance.now()
  }

  onReset(): void {
    // Otherwise a caller that cancels many requests would end those of others with the connection.
    if (this.#resets.use(performance.now()) && !this.isDraining && this.#options.mayRetire()) this.#drain()
  }

  mayHaveProcessed(id: number | undefined): boolean {
    return id !== undefined && id <= this.#lastStreamId
  }

  get reason(): SdError | undefined {
    return this.#reason
  }

  onEnd(exchange: Http2Exchange): void {
    this.#exchanges.delete(exchange)
    if (this.#exchanges.size === 0) {
      if (this.isDraining) this.#session?.close()
      else this.#watch()
    }
    this.#options.onRoom()
  }

  resend(exchange: Http2Exchange): boolean {
    if (!this.#receivedGoaway || exchange.hasEnded) return false
    this.#options.onRefused(exchange)
    return true
  }

  /** Ends it with everything on it. */
  destroy(reason: SdError): void {
    if (this.#isClosed) return
    this.#reason = reason
    for (const exchange of this.#exchanges.toArray()) exchange.fail(reason)
    this.#session?.destroy()
    this.#socket?.destroy()
    this.#closed(this.isConnecting ? reason : undefined)
  }

  async #connect(): Promise<void> {
    try {
      const socket = await this.#openSocket()
      if (this.#isClosed) {
        socket.destroy()
        return
      }
      this.#socket = socket
      socket.once('error', (error) => this.#failed(error))
      socket.once(this.#isSecure ? 'secureConnect' : 'connect', () => this.#begin(socket))
    } catch (error) {
      this.#failed(error)
    }
  }

  get #isSecure(): boolean {
    return this.scheme === 'https'
  }

  async #openSocket(): Promise<Socket | TLSSocket> {
    const { address: host, port } = this.#endpoint.instance
    if (!this.#isSecure) return connectTcp({ host, port, noDelay: true, keepAlive: true })
    const { certificates, serverName } = this.#options
    const servername = serverName ?? (isIP(host) ? undefined : host)
    const now = await certificates()
    return connectTls({ host, port, ALPNProtocols: ['h2'], ...(servername !== undefined && { servername }), ...now })
  }

  #begin(socket: Socket | TLSSocket): void {
    if (this.#isSecure && (socket as TLSSocket).alpnProtocol !== 'h2') {
      this.destroy(
        new SdError('SD_MALFORMED', 'The instance does not speak HTTP/2, although its registered protocol requires it', {
          origin: 'peer',
        }),
      )
      return
    }
    const settings = { enablePush: false, initialWindowSize: streamWindowBytes }
    const session = connectHttp2(this.#endpoint.origin, { createConnection: () => socket, settings })
    this.#session = session
    session.on('error', (error) => this.#failed(error))
    session.on('close', () => this.#closed(undefined))
    session.on('goaway', (code, lastStreamId) => {
      this.#receivedGoaway = code === 0
      this.#lastStreamId = Math.min(this.#lastStreamId, lastStreamId)
      this.#drain()
    })
    session.once('connect', () => session.setLocalWindowSize(sessionWindowBytes))
    // The first frame of a server (RFC 9113, 3.4). Only now the number of streams is known.
    session.on('remoteSettings', () => {
      if (this.isConnecting) {
        this.isConnecting = false
        this.#watch()
      }
      this.#options.onRoom()
    })
  }

  #failed(thrown: unknown): void {
    if (this.#isClosed) return
    const { error } = toTransportFailure(thrown)
    this.#reason ??= error
    if (this.isConnecting) this.destroy(error)
    // Otherwise each stream receives its own error, and 'close' follows.
    else this.#drain()
  }

  #drain(): void {
    this.isDraining = true
    if (this.#exchanges.size === 0) this.#session?.close()
    this.#options.onRoom()
  }

  /** Checks whether a connection with streams is alive, and closes one without streams. */
  #watch(): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    const { pingIntervalMs, idleMs } = this.#options
    if (this.#exchanges.size === 0) {
      this.#timer = setTimeout(() => this.#drain(), idleMs)
      this.#timer.unref()
      // A connection without streams must not keep the process alive.
      this.#session?.unref()
      return
    }
    this.#session?.ref()
    this.#activeAt = performance.now()
    if (pingIntervalMs > 0) this.#timer = setTimeout(() => this.#pingIfSilent(), pingIntervalMs)
  }

  #pingIfSilent(): void {
    const { pingIntervalMs, pingTimeoutMs } = this.#options
    const silentMs = performance.now() - this.#activeAt
    if (silentMs < pingIntervalMs) {
      this.#timer = setTimeout(() => this.#pingIfSilent(), pingIntervalMs - silentMs)
      return
    }
    this.#timer = setTimeout(() => {
      this.destroy(new SdError('SD_UNAVAILABLE', `The connection is unresponsive: no reply to a PING within ${pingTimeoutMs} ms`))
    }, pingTimeoutMs)
    this.#session?.ping((error) => {
      if (!error && this.#exchanges.size > 0) this.#watch()
    })
  }

  #closed(error: SdError | undefined): void {
    if (this.#isClosed) return
    const wasMade = !this.isConnecting
    this.#isClosed = true
    this.isConnecting = false
    this.isDraining = true
    clearTimeout(this.#timer)
    const reason = this.#reason ?? new SdError('SD_UNAVAILABLE', 'The connection was closed')
    for (const exchange of this.#exchanges.toArray()) exchange.fail(reason)
    // A connection that ends before the server's first frame was not established either.
    this.#options.onClose(error ?? (wasMade ? undefined : reason))
  }
}
