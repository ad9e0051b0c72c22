/** A TCP address. */
export interface ProtocolAddress {
  readonly host: string
  readonly port: number
}

/** What a case needs from the gateway that is started for it. */
export interface ProtocolSetup {
  /** The only instance of the service that the only route forwards to. */
  readonly service: ProtocolAddress
  /** Most connections of the route. @default no limit */
  readonly concurrency?: number
  /** Longest duration of `close`, in milliseconds. */
  readonly closeTimeoutMs: number
}

/** A gateway with one listener and one route, for one case. */
export interface ProtocolGateway {
  readonly address: ProtocolAddress
  /** Open connections of the protocol. */
  connections(): number
  /** Replaces the table by one in which the route is unchanged, and something else is not. */
  reload(): Promise<void>
  /** Drains it and closes it, within `closeTimeoutMs`. Called after every case too, possibly again. */
  close(): Promise<void>
}

/** Connects the protocol contract with a protocol on connections of its own. */
export interface ProtocolHarness {
  /** Starts a gateway for one case. */
  readonly setup: (options: ProtocolSetup) => Promise<ProtocolGateway>
  /** The octets of a message, which the protocol forwards as they are, in both directions. @default the message itself */
  readonly encode?: (message: Uint8Array) => Uint8Array
  /** Longest duration of any step, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}
