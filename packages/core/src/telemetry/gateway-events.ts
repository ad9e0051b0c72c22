import type { SdError } from '../errors.ts'

/** Payload of `sd:v1:gateway:exchange`. */
export interface GatewayExchangeEvent {
  /** The request. It does not change any more. */
  readonly exchange: {
    /** Id of the request. */
    readonly id: string
    /** Name of the route; empty if none matched. */
    readonly route: string
    /** The service that the request went to; `undefined` if the gateway responded itself. */
    readonly service: string | undefined
    readonly method: string
    /** `http`, `websocket`, or the name of another protocol of the gateway, such as `grpc`. @default 'http' */
    readonly protocol?: string | undefined
    /** Path with query. */
    readonly path: string
    /** Host, possibly with port. */
    readonly authority: string
    /** Address of the client, possibly forwarded by trusted proxies. */
    readonly clientAddress: string
    /** The client, as a filter has verified it, such as the subject of its token. @default not verified */
    readonly identity?: string | undefined
    /** Version of HTTP of the client: `1.0`, `1.1` or `2`. */
    readonly httpVersion: string
    readonly connection: { readonly listener: string; readonly remoteAddress: string; readonly tls?: object | undefined }
    /** The value of a header field of the request; repeated ones are joined by `, `. */
    header(name: string): string | undefined
  }
  readonly outcome: {
    /** Status that the client got; 499 if it left before, and 0 if a filter closed its connection without a response. */
    readonly status: number
    /** Status of a gRPC call; absent if the call ended without one. */
    readonly grpcStatus?: number | undefined
    /** Why it failed; absent on success. */
    readonly error?: SdError | undefined
    /** Id of the instance that responded. */
    readonly instanceId?: string | undefined
    /** From the head of the request to the end of the response, in milliseconds. */
    readonly durationMs: number
    /** From the head of the request to the head of the response, in milliseconds. */
    readonly firstByteMs?: number | undefined
    /** Bytes of the request's body. */
    readonly bytesIn: number
    /** Bytes of the response's body, before transforms. */
    readonly bytesOut: number
    /**
     * What became of the affinity of the client: `new` without a cookie, `kept`, `moved` because the instance is out,
     * `diverted` for one request because another attempt was needed, `invalid` for a cookie that is forged or has expired.
     * Absent if the route has none, or no instance has responded.
     */
    readonly affinity?: 'new' | 'kept' | 'moved' | 'diverted' | 'invalid' | undefined
    /** What became of the copy for the mirror: sent, or dropped because of a limit or because its request ended early. */
    readonly mirror?: 'sent' | 'dropped' | undefined
  }
}

/** Payload of `sd:v1:gateway:call`. */
export interface GatewayCallEvent {
  /** Name of the protocol, such as `grpc`. */
  readonly protocol: string
  /** Name of the route; empty if none matched. */
  readonly route: string
  /** The service that the call went to; `undefined` if the gateway responded itself. */
  readonly service: string | undefined
  /** Method, such as `/shop.Carts/Get`; `other` beyond the number of methods that are counted. */
  readonly method: string
  /** Status that the client got; 1 (CANCELLED) if it left before, 2 (UNKNOWN) if there was none. */
  readonly grpcStatus: number
  /** Messages of the client that were sent to the service. */
  readonly messagesIn: number
  /** Messages of the service. */
  readonly messagesOut: number
  /** From the head of the request to the end of the response, in milliseconds. */
  readonly durationMs: number
}

/** Payload of `sd:v1:gateway:messages`: what has passed since the last event of the same connection. */
export interface GatewayMessagesEvent {
  /** Name of the protocol, such as `websocket`. */
  readonly protocol: string
  /** Name of the listener. */
  readonly listener: string
  /** Name of the route. */
  readonly route: string
  readonly service: string | undefined
  /** Messages from the client. */
  readonly messagesIn: number
  /** Bytes of their payloads, as they are on the wire. */
  readonly bytesIn: number
  /** Messages from the service. */
  readonly messagesOut: number
  /** Bytes of their payloads, as they are on the wire. */
  readonly bytesOut: number
  /** The connection has ended; absent before. */
  readonly end?:
    | {
        /**
         * - `client`, `service`: this side has closed it first
         * - `drain`, `idle`: the gateway has closed it
         * - `protocol`, `size`: a message broke the protocol, or was too long
         * - `lost`: a side has left without closing it, or was silent for too long
         */
        readonly reason: 'client' | 'service' | 'drain' | 'idle' | 'protocol' | 'size' | 'lost'
        /** Close code of the side that caused the end, or of the gateway; 1005 without a code, 1006 without a close. */
        readonly closeCode: number
      }
    | undefined
}

/** Payload of `sd:v1:gateway:connection`. Connections that are refused before a request have an event of their own. */
export interface GatewayConnectionEvent {
  /** Name of the listener. */
  readonly listener: string
  /** Protocol, such as `http/1.1` or `h2`. */
  readonly protocol: string
  readonly state: 'opened' | 'closed'
  /** From accepting the connection to its end, in milliseconds; only when it closed. */
  readonly durationMs?: number | undefined
  /**
   * What ended it:
   *
   * - `client`, `service`: the side that closed it
   * - `gateway`: the gateway, for an idle connection or a limit of HTTP
   * - `drain`: the gateway, when it drains
   * - `error`: an error of the network
   * - `idle`, `duration`: a time limit of its route
   * - `no-route`, `unavailable`: it was not connected to a service
   * - `reload`: a new table, which has another route for it
   * - `replaced`: another session, for want of space
   */
  readonly reason?:
    | 'client'
    | 'service'
    | 'gateway'
    | 'drain'
    | 'error'
    | 'idle'
    | 'duration'
    | 'no-route'
    | 'unavailable'
    | 'reload'
    | 'replaced'
    | undefined
  /** Route of a connection that is not on HTTP; empty if it had none. Only when it closed, as the following ones. */
  readonly route?: string | undefined
  /** The service that it went to. */
  readonly service?: string | undefined
  /** Instance that it was connected to. */
  readonly instanceId?: string | undefined
  /** Bytes from the client. */
  readonly bytesIn?: number | undefined
  /** Bytes to the client. */
  readonly bytesOut?: number | undefined
}

/** Payload of `sd:v1:gateway:refused`. It contains nothing that the peer sent. */
export interface GatewayRefusedEvent {
  /** Name of the listener. */
  readonly listener: string
  /** Address of the peer, or of the client behind a PROXY header. */
  readonly remoteAddress: string
  /**
   * - `connections`, `connections-per-address`: the listener's limits
   * - `untrusted-peer`: the listener requires PROXY headers, and the peer is not a trusted proxy
   * - `proxy-header`: the PROXY header is missing, not valid or late
   * - `tls`: the handshake failed
   * - `protocol`: the client speaks no accepted protocol
   *
   * A request that is not valid HTTP is an exchange without a route.
   */
  readonly reason: 'connections' | 'connections-per-address' | 'untrusted-peer' | 'proxy-header' | 'tls' | 'protocol'
}

/** Names of the routes or listeners of a new table, compared with the table before. */
export interface GatewayTableChange {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly unchanged: readonly string[]
}

/** Payload of `sd:v1:gateway:reload`. */
export interface GatewayReloadEvent {
  /** Name of the gateway. */
  readonly gateway: string
  /** The version in effect. */
  readonly version: number
  /** Time to check the table, load certificates and bind addresses, in milliseconds. */
  readonly durationMs: number
  /** What changed; absent if the table was rejected. */
  readonly change?: { readonly routes: GatewayTableChange; readonly listeners: GatewayTableChange } | undefined
  /** Why it was rejected; absent on success. */
  readonly error?: SdError | undefined
}
