import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Transport } from '@sd/client'
import type { SdError, TelemetryEvents } from '@sd/core'
import type { GatewayConnection } from '../listener/connection.ts'
import type { ListenerLimits, ListenerTimeouts, RouteTimeouts } from '../table/table.ts'

/** Why a connection or session ended, see `sd:v1:gateway:connection`. */
export type StreamEnd = NonNullable<TelemetryEvents['sd:v1:gateway:connection']['reason']>

/** Serves the connections of one protocol on one listener. Each has its own. */
export interface GatewayFront {
  /** Name of the protocol. */
  readonly protocol: string
  /** Open connections. */
  readonly connections: number
  /** Requests whose response is not complete; 0 for a protocol without requests. */
  readonly requests: number
  /**
   * Takes over a connection, whose first bytes may have been read already: they are in the socket again, which is paused then.
   * The socket has an error listener that destroys it.
   */
  accept(socket: Socket, connection: GatewayConnection): void
  /** Asks clients to go elsewhere, if the protocol can. Connections continue. */
  beginDrain(): void
  /**
   * Ends connections as the protocol allows: idle ones at once, others when their work is complete. What has no end of its own
   * is asked to end after half of the time.
   *
   * @param limitMs after which `destroy` is called @returns resolves when none is open
   */
  finish(limitMs: number): Promise<void>
  /** Closes all connections at once. */
  destroy(): void
}

/** What the front of a protocol has from its gateway. */
export interface ProtocolContext {
  /** Name of the protocol. */
  readonly protocol: string
  /** Limits of the listener, with their defaults. */
  readonly limits: Required<ListenerLimits>
  /** Time limits of the listener, with their defaults. */
  readonly timeouts: Required<ListenerTimeouts>
  /** Whether a route of the protocol has `match.hosts`: then the server name of a client is to be known before `forward`. */
  readonly hasHosts: boolean
  /**
   * Finds the route of a connection, and connects it to an instance: the client's policies apply as to requests. The protocol
   * owns both sides once they are connected.
   */
  forward(connection: GatewayConnection, request: StreamRequest, handler: StreamHandler): GatewayStream
}

/** A connection or session that is to be connected to a service. */
export interface StreamRequest {
  /** Server name that the client asks for, which `match.hosts` names. @default none: only routes without hosts */
  readonly host?: string | undefined
  /** Key for consistent hashing. @default the address of the client */
  readonly hashKey?: string | undefined
  /** Opens the connection to an instance: it reports `onUpgrade` with the socket. Called once, before the first attempt. */
  transport(route: StreamRoute): Transport
}

/** The route of a connection or session. */
export interface StreamRoute {
  readonly name: string
  readonly service: string
  /** Options of the route, which the protocol has checked; `undefined` if it has none. */
  readonly options: unknown
  readonly timeouts: RouteTimeouts
}

/** Receives what becomes of a {@link StreamRequest}. Neither method is called before `forward` has returned, and one at most. */
export interface StreamHandler {
  /** An instance has accepted. @param service has an error listener */
  onConnect(service: Duplex, route: StreamRoute): void
  /** There is no route, a policy or a limit has refused it, no instance could be reached, or it was aborted. */
  onError(error: SdError): void
  /**
   * The gateway ends it: its route has changed, or the longest duration of the route has passed. The service's side is closed.
   *
   * @default the client's side is closed by `onError` only
   */
  onCut?(reason: StreamEnd): void
}

/** A connection or session on its way to a service. */
export interface GatewayStream {
  /** Stops it before it is connected, or closes the service's side. */
  abort(): void
  /** The protocol has ended it. @param outcome without a reason, the gateway was it */
  ended(outcome: { readonly reason?: StreamEnd | undefined; readonly bytesIn: number; readonly bytesOut: number }): void
}

/** A protocol on connections of its own, such as TCP. Its routes have its name as `match.protocol`. */
export interface ConnectionProtocol {
  readonly kind: 'connection'
  /** Name for `protocols` of listeners, `match.protocol` of routes, and metrics. */
  readonly name: string
  /** See `CallProtocol`. */
  checkOptions?(options: unknown, path: string): void
  /**
   * Whether a connection that begins with these bytes speaks the protocol; `undefined` if it needs more of them. A listener
   * asks its protocols in the order of the table. At most 16 KiB are shown.
   *
   * @default it gets all connections that no protocol before it recognises, and must be the last
   */
  recognise?(first: Uint8Array): boolean | undefined
  /** Creates what serves the connections of a listener. */
  createFront(context: ProtocolContext): GatewayFront
}

/** An address that datagrams come from. */
export interface DatagramSource {
  /** IPv4 or IPv6. */
  readonly address: string
  /** From 1. */
  readonly port: number
}

/** What the front of a datagram protocol has from its gateway. */
export interface DatagramContext extends ProtocolContext {
  /** Sends to a client. */
  send(message: Uint8Array, to: DatagramSource): void
  /** Begins a session. @returns its connection, and a function that ends it */
  open(source: DatagramSource): { readonly connection: GatewayConnection; close(): void }
}

/** Serves the sessions of a datagram protocol on one listener. */
export interface DatagramFront {
  /** Open sessions. */
  readonly connections: number
  /** A datagram has arrived. */
  receive(message: Uint8Array, source: DatagramSource): void
  /** See `GatewayFront`. */
  beginDrain(): void
  /** See `GatewayFront`. */
  finish(limitMs: number): Promise<void>
  /** Closes all sessions at once. */
  destroy(): void
}

/** A protocol of datagrams, such as UDP. A listener has one of them, and nothing else. */
export interface DatagramProtocol {
  readonly kind: 'datagram'
  /** See `ConnectionProtocol`. */
  readonly name: string
  /** See `CallProtocol`. */
  checkOptions?(options: unknown, path: string): void
  /** Creates what serves the sessions of a listener. */
  createFront(context: DatagramContext): DatagramFront
}
