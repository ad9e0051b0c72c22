import { publishTelemetry } from '@sd/core'
import type { GatewayExchange } from '@sd/gateway'
import type { RelayCounts, RelayEnd } from './relay/relay.ts'

/** How often the counts of an open connection are published, in milliseconds. */
const intervalMs = 10_000

const nothing: RelayCounts = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 }

/** Publishes what has passed a connection, at intervals and at its end: an event per frame would cost more than the frame. */
export class MessageReport {
  readonly #exchange: GatewayExchange
  #last = nothing
  #publishedAt = performance.now()

  constructor(exchange: GatewayExchange) {
    this.#exchange = exchange
  }

  check(counts: RelayCounts, now: number): void {
    if (now - this.#publishedAt < intervalMs) return
    this.#publishedAt = now
    const { messagesIn, messagesOut, bytesIn, bytesOut } = this.#last
    const isSame = messagesIn === counts.messagesIn && messagesOut === counts.messagesOut
    if (!isSame || bytesIn !== counts.bytesIn || bytesOut !== counts.bytesOut) this.publish(counts, undefined)
  }

  publish(counts: RelayCounts, end: RelayEnd | undefined): void {
    const { protocol, route, service, connection } = this.#exchange
    const last = this.#last
    this.#last = counts
    publishTelemetry('sd:v1:gateway:messages', {
      protocol,
      listener: connection.listener,
      route,
      service,
      messagesIn: counts.messagesIn - last.messagesIn,
      bytesIn: counts.bytesIn - last.bytesIn,
      messagesOut: counts.messagesOut - last.messagesOut,
      bytesOut: counts.bytesOut - last.bytesOut,
      end,
    })
  }
}
