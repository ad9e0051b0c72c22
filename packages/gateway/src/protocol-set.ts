import { checkProtocols } from './check-protocols.ts'
import type { CallProtocol, GatewayProtocol, UpgradeProtocol } from './protocol.ts'
import type { ConnectionProtocol, DatagramProtocol } from './streams/stream-protocol.ts'

/** The protocols of a gateway by their kind. The list that the gateway was given may grow before it gets another table. */
export class ProtocolSet {
  readonly calls: CallProtocol[] = []
  readonly upgrades: Map<string, UpgradeProtocol> = new Map()
  readonly streams: Map<string, ConnectionProtocol | DatagramProtocol> = new Map()
  readonly #given: readonly GatewayProtocol[]

  constructor(given: readonly GatewayProtocol[]) {
    this.#given = given
    this.refresh()
  }

  /** Includes what has been added. @throws SdError `SD_INVALID` that names the field; nothing has changed then */
  refresh(): void {
    const protocols = checkProtocols('protocols', this.#given)
    this.calls.splice(0, this.calls.length, ...ofKind(protocols, 'call'))
    for (const protocol of ofKind(protocols, 'upgrade')) this.upgrades.set(protocol.name, protocol)
    for (const protocol of streamsOf(protocols)) this.streams.set(protocol.name, protocol)
  }
}

/** The protocols that are not on HTTP. */
export function streamsOf(protocols: readonly GatewayProtocol[]): (ConnectionProtocol | DatagramProtocol)[] {
  return [...ofKind(protocols, 'connection'), ...ofKind(protocols, 'datagram')]
}

/** The protocols of one kind. */
function ofKind<Kind extends GatewayProtocol['kind']>(
  protocols: readonly GatewayProtocol[],
  kind: Kind,
): Extract<GatewayProtocol, { readonly kind: Kind }>[] {
  return protocols.filter((protocol) => protocol.kind === kind) as Extract<GatewayProtocol, { readonly kind: Kind }>[]
}
