import type { TrustedNetworks } from './trusted-networks.ts'

/** A connection of a client. */
export interface GatewayConnection {
  /** Name of the listener. */
  readonly listener: string
  /** Address of the client: that of the PROXY header, or of the peer. Forwarding fields don't change it. */
  readonly remoteAddress: string
  /** Port that belongs to `remoteAddress`. */
  readonly remotePort: number
  /** Address of the peer that opened the connection. */
  readonly peerAddress: string
  /** Whether `remoteAddress` is one of the listener's trusted proxies: its forwarding fields and request ids count. */
  readonly isTrusted: boolean
  /** TLS; absent on a clear connection. */
  readonly tls?: ConnectionTls | undefined
}

/** TLS of a connection. */
export interface ConnectionTls {
  /** Version, such as `TLSv1.3`. */
  readonly version: string
  /** Server name that the client requested. */
  readonly serverName?: string | undefined
  /** Identity of the verified client certificate. */
  readonly client?: ClientIdentity | undefined
}

/** Identity in a verified client certificate. */
export interface ClientIdentity {
  /** Subject, such as `CN=orders,O=Example`. */
  readonly subject: string
  /** Subject alternative names, such as `URI:spiffe://example/orders`. */
  readonly names: readonly string[]
  /** SHA-256 of the certificate, in lower-case hex. */
  readonly fingerprint: string
}

/** Whose statements about a client count, and which. A new table replaces it as a whole. */
export interface ForwardingTrust {
  readonly networks: TrustedNetworks
  readonly fields: 'x-forwarded' | 'forwarded'
}

/** What a connection has from its listener. */
export interface ListenerSettings {
  readonly spec: { readonly name: string }
  readonly trust: ForwardingTrust
}

/**
 * A connection, as a listener creates it. Name and trust are those of the listener's settings in effect: a new table changes
 * them for open connections too.
 */
export class ClientConnection implements GatewayConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly peerAddress: string
  readonly tls: ConnectionTls | undefined
  readonly #current: () => ListenerSettings
  #trust: ForwardingTrust | undefined
  #isTrusted = false

  constructor(init: Omit<GatewayConnection, 'isTrusted' | 'listener'>, current: () => ListenerSettings) {
    this.remoteAddress = init.remoteAddress
    this.remotePort = init.remotePort
    this.peerAddress = init.peerAddress
    this.tls = init.tls
    this.#current = current
  }

  get listener(): string {
    return this.#current().spec.name
  }

  get trust(): ForwardingTrust {
    return this.#current().trust
  }

  get isTrusted(): boolean {
    const { trust } = this
    if (trust !== this.#trust) {
      this.#trust = trust
      this.#isTrusted = trust.networks.has(this.remoteAddress)
    }
    return this.#isTrusted
  }
}
