import { closedError, type Endpoint, SdError } from '@sd/core'
import type { Http2Exchange } from './http2-exchange.ts'
import type { ResolvedHttp2Options } from './http2-options.ts'
import { Http2Session } from './http2-session.ts'

/** Input of a pool. */
export interface Http2PoolOptions extends ResolvedHttp2Options {
  /** Name that the certificate must have. */
  readonly serverName: string | undefined
  /** Called when no connection is left, and no request waits for one. */
  readonly onEmpty: () => void
}

/** The connections to one endpoint, and the requests that wait for a stream. */
export class Http2Pool {
  readonly #endpoint: Endpoint
  readonly #options: Http2PoolOptions
  /** In the order of their creation. Few, and checked for each request. */
  #sessions: readonly Http2Session[] = []
  readonly #waiting: Http2Exchange[] = []

  constructor(endpoint: Endpoint, options: Http2PoolOptions) {
    this.#endpoint = endpoint
    this.#options = options
  }

  /** Sends on a connection with a free stream, on a new one, or as soon as a stream is free. */
  send(exchange: Http2Exchange): void {
    const session = this.#findOpen()
    if (session) {
      session.start(exchange)
      return
    }
    if (this.#waiting.length >= this.#options.maxWaiting) {
      this.#dropEnded()
      if (this.#waiting.length >= this.#options.maxWaiting) {
        exchange.fail(new SdError('SD_REJECTED', `${this.#options.maxWaiting} requests already wait for a stream`), false)
        return
      }
    }
    this.#waiting.push(exchange)
    this.#connectIfUseful()
  }

  /** Ends all connections and waiting requests. */
  close(): void {
    for (const session of this.#sessions) session.destroy(closedError('The transport'))
    for (const exchange of this.#waiting.splice(0)) exchange.fail(closedError('The transport'), false)
  }

  #findOpen(): Http2Session | undefined {
    // Filling one after the other lets the last ones become idle.
    for (const session of this.#sessions) if (session.hasRoom) return session
    return undefined
  }

  /** Ended exchanges stay in the list until their turn, or until it is full. */
  #dropEnded(): void {
    const live = this.#waiting.filter((exchange) => !exchange.hasEnded)
    this.#waiting.splice(0, this.#waiting.length, ...live)
  }

  #connectIfUseful(): void {
    let connecting = 0
    let usable = 0
    for (const session of this.#sessions) {
      if (session.isConnecting) connecting++
      if (!session.isDraining) usable++
    }
    const isCovered = connecting * this.#options.maxStreams >= this.#waiting.length
    if (isCovered || usable >= this.#options.maxSessions) return
    const session = new Http2Session(this.#endpoint, {
      ...this.#options,
      onRoom: () => this.#pump(),
      // What is open is bounded, also for a caller that keeps a stream of each.
      mayRetire: () => this.#sessions.filter(({ isDraining }) => isDraining).length < this.#options.maxSessions,
      onRefused: (exchange) => this.send(exchange),
      onClose: (error) => this.#forget(session, error),
    })
    this.#sessions = [...this.#sessions, session]
  }

  #pump(): void {
    for (;;) {
      const session = this.#waiting.length > 0 ? this.#findOpen() : undefined
      if (!session) break
      const exchange = this.#waiting.shift() as Http2Exchange
      if (!exchange.hasEnded) session.start(exchange)
    }
    if (this.#waiting.length > 0) this.#connectIfUseful()
  }

  #forget(session: Http2Session, error: SdError | undefined): void {
    this.#sessions = this.#sessions.filter((one) => one !== session)
    // A connection failed: the waiting requests go to another endpoint, unless there are connections that they can wait
    // for.
    const isUsable = this.#sessions.some(({ isDraining }) => !isDraining)
    if (error && !isUsable) for (const exchange of this.#waiting.splice(0)) exchange.fail(error, false)
    this.#dropEnded()
    if (this.#waiting.length > 0) this.#connectIfUseful()
    else if (this.#sessions.length === 0) this.#options.onEmpty()
  }
}
