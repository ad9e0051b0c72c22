import type { GatewayFront } from '../streams/stream-protocol.ts'

/** A protocol of a listener. */
export interface ListenerProtocol {
  readonly front: GatewayFront
  /** See `ConnectionProtocol`. */
  readonly recognise?: ((first: Uint8Array) => boolean | undefined) | undefined
  /** Whether the protocol is on HTTP. */
  readonly isHttp: boolean
}
