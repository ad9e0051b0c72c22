import type { CallProtocol, UpgradeProtocol } from '../protocol.ts'
import type { CompiledTable } from '../routing/compiled-table.ts'
import type { StreamBooks } from '../streams/stream-books.ts'
import type { ConnectionProtocol, DatagramProtocol } from '../streams/stream-protocol.ts'
import type { BodyPaces } from './body-pace.ts'
import type { GatewayClient } from './gateway-client.ts'
import type { ReplySource } from './reply-source.ts'
import type { UpgradedConnections } from './upgraded-connections.ts'

/** What all exchanges of a gateway share. */
export interface ExchangeContext {
  readonly client: GatewayClient
  /** Name of the gateway in the `via` field, by which it recognises a loop. */
  readonly pseudonym: string
  /** The table in effect. An exchange keeps the one that it began with. */
  readonly table: () => CompiledTable
  /** Number of exchanges in progress. A set of them would keep the memory of many that have ended. */
  readonly openExchanges: { size: number }
  /** Request bodies that are arriving. */
  readonly paces: BodyPaces
  /** Protocols that clients may change to, by the value of the `upgrade` field. */
  readonly upgrades: ReadonlyMap<string, UpgradeProtocol>
  /** Open connections of these protocols. */
  readonly upgraded: UpgradedConnections
  /** Responses that the gateway writes piece by piece. */
  readonly replies: Set<ReplySource>
  /** Protocols whose calls are requests. The first that recognises a request gets it. */
  readonly calls: readonly CallProtocol[]
  /** Protocols that are not on HTTP, by name. */
  readonly streamProtocols: ReadonlyMap<string, ConnectionProtocol | DatagramProtocol>
  /** Their connections and sessions. */
  readonly streams: StreamBooks
}
