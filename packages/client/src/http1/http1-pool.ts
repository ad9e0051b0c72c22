import type { Socket } from 'node:net'
import { closedError, SdError } from '@sd/core'
import { toTransportFailure } from '../transport/transport-errors.ts'
import { type ConnectionOwner, Http1Connection } from './http1-connection.ts'
import type { Http1Exchange } from './http1-exchange.ts'
import type { ResolvedHttp1Options } from './http1-options.ts'
import { type Http1Target, type KeptSession, openSocket } from './http1-socket.ts'
import { formatRequest } from './request-head.ts'

/** How often idle connections are checked, in milliseconds. */
const sweepMs = 500

/** The connections to one endpoint, and the requests that wait for one. */
export class Http1Pool implements ConnectionOwner {
  readonly maxHeadBytes: number
  readonly keepAliveTimeoutMs: number
  readonly #target: Http1Target
  readonly #options: ResolvedHttp1Options
  readonly #onEmpty: () => void
  readonly #connections = new Set<Http1Connection>()
  /** The last one was used last. */
  readonly #idle: Http1Connection[] = []
  #waiting: Http1Exchange[] = []
  #connecting = 0
  #timer: NodeJS.Timeout | undefined
  readonly #session: KeptSession = { certificates: undefined, session: undefined }
  #isClosed = false

  /** @param onEmpty called when no connection is left, and no request waits for one */
  constructor(target: Http1Target, options: ResolvedHttp1Options, onEmpty: () => void) {
    this.#target = target
    this.#options = options
    this.#onEmpty = onEmpty
    this.maxHeadBytes = options.maxHeadBytes
    this.keepAliveTimeoutMs = options.keepAliveTimeoutMs
  }

  /** Sends on an idle connection, on a new one, or as soon as one is free. */
  send(exchange: Http1Exchange): void {
    try {
      exchange.prepare(formatRequest(exchange.request, this.#target.authority))
    } catch (error) {
      queueMicrotask(() => exchange.fail(error as SdError, false))
      return
    }
    // Its socket is handed over, so that it is read in another way.
    if (exchange.request.upgrade !== undefined) {
      void this.#connect(exchange)
      return
    }
    const connection = this.#takeIdle()
    if (connection) {
      connection.start(exchange)
      return
    }
    if (this.#waiting.length >= this.#options.maxWaiting) {
      this.#dropEnded()
      if (this.#waiting.length >= this.#options.maxWaiting) {
        const message = `${this.#options.maxWaiting} requests already wait for a connection`
        queueMicrotask(() => exchange.fail(new SdError('SD_REJECTED', message), false))
        return
      }
    }
    this.#waiting.push(exchange)
    this.#connectIfUseful()
  }

  onIdle(connection: Http1Connection): void {
    const exchange = this.#takeWaiting()
    if (exchange) {
      connection.start(exchange)
      return
    }
    connection.rest()
    this.#idle.push(connection)
    this.#timer ??= setInterval(() => this.#sweep(), sweepMs).unref()
  }

  onLeave(connection: Http1Connection): void {
    this.#connections.delete(connection)
    const at = this.#idle.lastIndexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#dropEnded()
    if (this.#waiting.length > 0) this.#connectIfUseful()
    else this.#endIfEmpty()
  }

  /** Ends all connections and waiting requests. */
  close(): void {
    this.#isClosed = true
    const error = closedError('The transport')
    for (const exchange of this.#waiting.splice(0)) exchange.fail(error, false)
    for (const connection of [...this.#connections]) connection.end(error)
    clearInterval(this.#timer)
  }

  #takeIdle(): Http1Connection | undefined {
    const now = performance.now()
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (connection.usableUntil > now) return connection
      connection.destroy()
    }
    return undefined
  }

  #takeWaiting(): Http1Exchange | undefined {
    for (let exchange = this.#waiting.shift(); exchange; exchange = this.#waiting.shift()) {
      if (!exchange.hasEnded) return exchange
    }
    return undefined
  }

  /** Ended exchanges stay in the list until their turn, or until it is full. */
  #dropEnded(): void {
    if (this.#waiting.length > 0) this.#waiting = this.#waiting.filter((exchange) => !exchange.hasEnded)
  }

  #connectIfUseful(): void {
    const isUseful = (): boolean =>
      this.#connecting < this.#waiting.length && this.#connections.size + this.#connecting < this.#options.connections
    while (!this.#isClosed && isUseful()) void this.#connect(undefined)
  }

  /** Opens a connection. @param upgrade the only request on it, whose protocol takes it over */
  async #connect(upgrade: Http1Exchange | undefined): Promise<void> {
    let connection: Http1Connection | undefined
    const onRead = (data: Buffer): boolean => connection?.onRead(data) ?? false
    const reading = { onRead, isHandedOver: upgrade !== undefined }
    if (!upgrade) this.#connecting++
    let socket: Socket
    try {
      socket = await openSocket(this.#target, this.#options, reading, this.#session)
    } catch (error) {
      if (!upgrade) this.#connecting--
      const failed = upgrade ?? this.#takeWaiting()
      failed?.fail(toTransportFailure(error).error, false)
      this.#connectIfUseful()
      this.#endIfEmpty()
      return
    }
    if (!upgrade) this.#connecting--
    connection = new Http1Connection(this, socket)
    this.#connections.add(connection)
    if (this.#isClosed || upgrade?.hasEnded) connection.destroy()
    else if (upgrade) connection.start(upgrade)
    else this.#startOrRest(connection)
  }

  #startOrRest(connection: Http1Connection): void {
    connection.usableUntil = performance.now() + this.keepAliveTimeoutMs
    this.onIdle(connection)
  }

  #sweep(): void {
    const now = performance.now()
    for (const connection of this.#idle.filter(({ usableUntil }) => usableUntil <= now)) connection.destroy()
    if (this.#idle.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #endIfEmpty(): void {
    if (this.#connections.size > 0 || this.#connecting > 0 || this.#waiting.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#onEmpty()
  }
}
