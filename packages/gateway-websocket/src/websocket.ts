import { randomBytes } from 'node:crypto'
import { checkInteger, checkKnownKeys, checkObject, SdError } from '@sd/core'
import type { GatewayExchange, GatewayReply, UpgradeProtocol } from '@sd/gateway'
import { MessageReport } from './message-report.ts'
import { Relay } from './relay/relay.ts'
import { type ResolvedRouteOptions, readRouteOptions } from './route-options.ts'
import { SocketCounts } from './socket-counts.ts'
import { Sweeper } from './sweeper.ts'

/** Options of {@link createWebSocket}. */
export interface WebSocketOptions {
  /** Most open WebSockets; a request above one of them gets 503. */
  readonly limits?: {
    /** Of one listener. @default 100_000 */
    readonly listener?: number
    /** Of one service. @default 100_000 */
    readonly service?: number
    /** Of one client address. @default 1_000 */
    readonly client?: number
  }
}

/**
 * Creates the protocol WebSocket (RFC 6455, and RFC 8441 over HTTP/2) for `protocols` of a gateway. One serves several gateways.
 * Frames are passed on as they arrive; only their heads are read.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createWebSocket(options: WebSocketOptions = {}): UpgradeProtocol {
  checkKnownKeys('', options, ['limits'])
  return new WebSocketProtocol(readLimits(options.limits ?? {}))
}

const range = { min: 1, max: 10_000_000 }

type SocketLimits = Required<NonNullable<WebSocketOptions['limits']>>

function readLimits(limits: NonNullable<WebSocketOptions['limits']>): SocketLimits {
  checkKnownKeys('limits', checkObject('limits', limits), ['listener', 'service', 'client'])
  const { listener = 100_000, service = 100_000, client = 1_000 } = limits
  return {
    listener: checkInteger('limits.listener', listener, range),
    service: checkInteger('limits.service', service, range),
    client: checkInteger('limits.client', client, range),
  }
}

class WebSocketProtocol implements UpgradeProtocol {
  readonly kind = 'upgrade'
  readonly name = 'websocket'
  readonly #limits: SocketLimits
  readonly #counts = new SocketCounts()
  /** What an exchange is counted under: the name of its listener may change. */
  readonly #keys = new WeakMap<GatewayExchange, readonly string[]>()
  readonly #sweeper = new Sweeper()
  /** Random, so that no peer sends the same by itself. */
  readonly #pingPayload = randomBytes(8)
  readonly #resolved = new WeakMap<object, ResolvedRouteOptions>()
  readonly #defaults = readRouteOptions(undefined, 'options')

  constructor(limits: SocketLimits) {
    this.#limits = limits
  }

  checkOptions(options: unknown, path: string): void {
    readRouteOptions(options, path)
  }

  admit(exchange: GatewayExchange, options: unknown): GatewayReply | undefined {
    const { origins } = this.#optionsOf(options)
    const origin = exchange.header('origin')
    if (origins && origin !== undefined && !origins.has(origin)) return { status: 403 }
    const { listener, service, client } = this.#limits
    const limits = new Map([
      [`listener ${exchange.connection.listener}`, listener],
      [`service ${exchange.service}`, service],
      [`client ${exchange.clientAddress}`, client],
    ])
    const reached = this.#counts.add(limits)
    if (reached !== undefined) throw new SdError('SD_REJECTED', `Too many open WebSockets: ${reached}`, { origin: 'local' })
    this.#keys.set(exchange, [...limits.keys()])
    return undefined
  }

  connect(
    ...[client, service, exchange, options]: Parameters<UpgradeProtocol['connect']>
  ): ReturnType<UpgradeProtocol['connect']> {
    const limits = this.#optionsOf(options)
    const sweeper = this.#sweeper
    const report = new MessageReport(exchange)
    const relay = new Relay({
      client,
      service,
      limits,
      pingPayload: this.#pingPayload,
      onEnd(end) {
        sweeper.delete(entry)
        report.publish(relay.counts, end)
      },
    })
    const entry = {
      check(now: number) {
        report.check(relay.counts, now)
        relay.check(now)
      },
    }
    sweeper.add(entry, [limits.idleMs, limits.pingMs, limits.closeTimeoutMs])
    return { beginDrain: () => relay.goAway('drain') }
  }

  onEnd(exchange: GatewayExchange): void {
    this.#counts.remove(this.#keys.get(exchange) ?? [])
    this.#keys.delete(exchange)
  }

  /** Those of a table are checked once, and do not change. */
  #optionsOf(options: unknown): ResolvedRouteOptions {
    if (options === undefined) return this.#defaults
    let resolved = this.#resolved.get(options as object)
    if (!resolved) {
      resolved = readRouteOptions(options, 'options')
      this.#resolved.set(options as object, resolved)
    }
    return resolved
  }
}
