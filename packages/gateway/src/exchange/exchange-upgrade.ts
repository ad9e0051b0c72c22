import type { Duplex } from 'node:stream'
import type { SdError } from '@sd/core'
import type { ExchangeOutcome, GatewayExchange, GatewayReply } from '../filters/filter.ts'
import type { UpgradeProtocol } from '../protocol.ts'
import type { RouteSpec } from '../table/table.ts'
import type { ExchangeContext } from './exchange-context.ts'
import { optionsOf } from './forward-call.ts'

/** The change of one exchange to another protocol. */
export class ExchangeUpgrade {
  readonly #context: ExchangeContext
  readonly #protocol: UpgradeProtocol
  readonly #exchange: GatewayExchange
  readonly #route: RouteSpec
  readonly #options: unknown
  #isAdmitted = false

  constructor(context: ExchangeContext, protocol: UpgradeProtocol, exchange: GatewayExchange, route: RouteSpec) {
    this.#context = context
    this.#protocol = protocol
    this.#exchange = exchange
    this.#route = route
    this.#options = optionsOf(route, protocol)
  }

  /** @returns a response that refuses it */
  admit(): GatewayReply | undefined {
    const refusal = this.#protocol.admit?.(this.#exchange, this.#options)
    this.#isAdmitted = refusal === undefined
    return refusal
  }

  /** Both sides have agreed. @param onEnd the connection has closed @see UpgradedExchange.onEnd */
  connect(client: Duplex, service: Duplex, onEnd: (error: SdError | undefined) => void): void {
    const connection = this.#protocol.connect(client, service, this.#exchange, this.#options)
    const { listener } = this.#exchange.connection
    this.#context.upgraded.add({ client, service, connection, route: this.#route, listener, onEnd })
  }

  onEnd(outcome: ExchangeOutcome): void {
    if (this.#isAdmitted) this.#protocol.onEnd?.(this.#exchange, outcome)
  }
}
