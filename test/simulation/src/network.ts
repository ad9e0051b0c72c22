import type { Transport, TransportExchange, TransportHandler, TransportRequest } from '@sd/client'
import { createServiceInstance, type Endpoint, SdError, type ServiceInstance } from '@sd/core'
import type { VirtualTime } from './virtual-time.ts'

/** How a simulated server handles requests. */
export type ServerMode =
  /** Responds 200 after a log-normal time. */
  | 'up'
  /** Responds 503 after a millisecond. */
  | 'error'
  /** Responds 200, after twenty times the usual time and at least 300 ms. */
  | 'slow'
  /** Accepts requests, but responds only when it is up again, like a stopped process. */
  | 'hang'
  /** Drops packets: connecting times out, and active exchanges get no response. */
  | 'black-hole'
  /** Refuses connections, and resets active exchanges. */
  | 'down'

/** One attempt that reached the network. */
export interface SimulatedAttempt {
  /** Start in virtual milliseconds. */
  readonly at: number
  /** Index of the server. */
  readonly server: number
  /** Method of the request. */
  readonly method: string
  /** Whether the server went down while it had the request. */
  diedWithServer: boolean
}

/** Median of the log-normal latency in milliseconds; its 99th percentile is 80 ms. */
const medianMs = 10
const sigma = Math.log(80 / medianMs) / 2.326
/**
 * Upper limit of the latency, in milliseconds. One in 100,000 would exceed it, and without retries the time limit would
 * be reported instead of a fault.
 */
const longestMs = 400
/** Time to open a connection, in milliseconds. */
const connectMs = 0.3
const connectTimeoutMs = 3_000

/** One simulated server. */
export class SimulatedServer {
  readonly instance: ServiceInstance
  readonly index: number
  readonly #time: VirtualTime
  readonly #exchanges = new Set<SimulatedExchange>()
  #mode: ServerMode = 'up'

  constructor(index: number, time: VirtualTime) {
    this.index = index
    this.#time = time
    this.instance = createServiceInstance({ service: 'orders', id: `orders-${index}`, address: '10.0.0.1', port: 8_000 + index })
  }

  get mode(): ServerMode {
    return this.#mode
  }

  /** Number of active exchanges. */
  get active(): number {
    return this.#exchanges.size
  }

  /** Changes its mode at once, also for active exchanges. */
  set mode(mode: ServerMode) {
    this.#mode = mode
    for (const exchange of [...this.#exchanges]) {
      if (mode === 'down') exchange.reset()
      else if (mode === 'up' || mode === 'error' || mode === 'slow') exchange.wake()
    }
  }

  /** Accepts an exchange. */
  accept(exchange: SimulatedExchange): void {
    const { mode } = this
    this.#exchanges.add(exchange)
    if (mode === 'down') exchange.after(connectMs, () => exchange.fail('ECONNREFUSED', false))
    else if (mode === 'black-hole') exchange.after(connectTimeoutMs, () => exchange.fail('UND_ERR_CONNECT_TIMEOUT', false))
    else exchange.after(connectMs, () => exchange.begin())
  }

  /** Serves an exchange whose request has arrived. */
  serve(exchange: SimulatedExchange): void {
    const latencyMs = Math.min(longestMs, Math.exp(Math.log(medianMs) + sigma * normal()))
    if (this.#mode === 'error') exchange.after(1, () => exchange.respond(503))
    else if (this.#mode === 'slow') exchange.after(Math.max(300, latencyMs * 20), () => exchange.respond(200))
    else exchange.after(latencyMs, () => exchange.respond(200))
  }

  /** Removes an exchange that has ended. */
  ended(exchange: SimulatedExchange): void {
    this.#exchanges.delete(exchange)
  }

  get canRespond(): boolean {
    return this.#mode === 'up' || this.#mode === 'error' || this.#mode === 'slow'
  }

  schedule(delayMs: number, run: () => void): void {
    this.#time.schedule(delayMs, run)
  }
}

function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}

/** One exchange between the client and a server. */
class SimulatedExchange implements TransportExchange {
  readonly rawHeaders: readonly string[] = []
  readonly rawTrailers: readonly string[] = []
  readonly #server: SimulatedServer
  readonly #handler: TransportHandler
  readonly #attempt: SimulatedAttempt
  #hasBegun = false
  #isServed = false
  #hasEnded = false
  #isPaused = false
  #resumed: (() => void) | undefined

  constructor(server: SimulatedServer, handler: TransportHandler, attempt: SimulatedAttempt) {
    this.#server = server
    this.#handler = handler
    this.#attempt = attempt
    server.accept(this)
  }

  /** Runs the next step of the exchange, unless it has ended. */
  after(delayMs: number, run: () => void): void {
    this.#server.schedule(delayMs, () => {
      if (!this.#hasEnded) run()
    })
  }

  /** The connection is open, and the request is being sent. */
  begin(): void {
    if (this.#server.mode === 'down') {
      this.fail('ECONNRESET')
      return
    }
    this.#hasBegun = true
    this.#handler.onSend()
    this.wake()
  }

  /** The server can respond, possibly again. */
  wake(): void {
    if (!this.#hasBegun || this.#isServed || !this.#server.canRespond) return
    this.#isServed = true
    this.#server.serve(this)
  }

  respond(status: number): void {
    // A server that was stopped in the meantime responds later.
    if (!this.#server.canRespond) {
      this.#isServed = false
      return
    }
    this.#handler.onResponse(status, {}, '')
    if (this.#hasEnded) return
    this.#isPaused = !this.#handler.onData(body)
    if (this.#isPaused) this.#resumed = () => this.#complete()
    else this.#complete()
  }

  #complete(): void {
    if (this.#hasEnded) return
    this.#end()
    this.#handler.onEnd({})
  }

  reset(): void {
    this.#attempt.diedWithServer = true
    this.fail('ECONNRESET')
  }

  fail(code: string, wasSent?: boolean): void {
    if (this.#hasEnded) return
    this.#end()
    const cause = Object.assign(new Error(code), { code })
    this.#handler.onError(new SdError('SD_UNAVAILABLE', code, { cause }), wasSent)
  }

  abort(reason: SdError): void {
    if (this.#hasEnded) return
    this.#end()
    this.#handler.onError(reason)
  }

  resume(): void {
    this.#resumed?.()
  }

  /** Bodies of requests are not simulated. */
  write(): boolean {
    return true
  }

  end(): void {}

  #end(): void {
    this.#hasEnded = true
    this.#server.ended(this)
  }
}

const body = new TextEncoder().encode('ok')

/** Sends to simulated servers, and records every attempt. */
export class SimulatedTransport implements Transport {
  readonly name = 'simulated'
  readonly attempts: SimulatedAttempt[] = []
  readonly #servers = new Map<string, SimulatedServer>()
  readonly #time: VirtualTime

  constructor(time: VirtualTime) {
    this.#time = time
  }

  /** Makes a server reachable. */
  add(server: SimulatedServer): void {
    this.#servers.set(server.instance.id, server)
  }

  send(endpoint: Endpoint, { method }: TransportRequest, handler: TransportHandler): TransportExchange {
    const server = this.#servers.get(endpoint.instance.id)
    if (!server) throw new Error(`No server ${endpoint.instance.id}`)
    const attempt = { at: this.#time.now, server: server.index, method, diedWithServer: false }
    this.attempts.push(attempt)
    return new SimulatedExchange(server, handler, attempt)
  }

  async close(): Promise<void> {}
}
