import type { PemSource } from '@sd/tls'

/**
 * What a gateway does: where it listens, and which requests go where. Plain data, apart from sources of certificates.
 * `Gateway.configure` replaces it as a whole.
 */
export interface GatewayTable {
  /** Where the gateway accepts connections; at least one. */
  readonly listeners: readonly ListenerSpec[]
  /** Which requests go where. Their order has no effect, see {@link RouteMatch}. */
  readonly routes: readonly RouteSpec[]
}

/** A protocol of HTTP that a listener accepts. */
export type HttpProtocol = 'http/1.1' | 'h2'

/** An address on which the gateway accepts connections. */
export interface ListenerSpec {
  /** Unique name, for routes, logs and metrics. */
  readonly name: string
  /** Host and port, such as `0.0.0.0:8443` or `[::1]:8080`. Port 0 selects a free one. */
  readonly address: string
  /**
   * Accepted protocols: those of HTTP, and names of the gateway's. Without TLS, HTTP/2 is recognised by its preface.
   *
   * @default both of HTTP
   */
  readonly protocols?: readonly (HttpProtocol | (string & {}))[]
  /** @default clear text */
  readonly tls?: ListenerTls
  /**
   * Networks of proxies in front of the gateway, such as `10.0.0.0/8`. Only their forwarding fields, request ids and PROXY
   * headers count, and no limit per address applies to them.
   *
   * @default none
   */
  readonly trustedProxies?: readonly string[]
  /**
   * Forwarding fields that trusted proxies send: `x-forwarded-for`, `-proto` and `-host`, or `forwarded` (RFC 7239). The
   * others are dropped: a proxy that does not know them passes on those of its client.
   *
   * @default 'x-forwarded'
   */
  readonly forwardingFields?: 'x-forwarded' | 'forwarded'
  /** Whether connections begin with a PROXY header, version 1 or 2, from a trusted proxy. @default 'off' */
  readonly proxyProtocol?: 'off' | 'required'
  /** @default those of {@link ListenerLimits} */
  readonly limits?: ListenerLimits
  /** @default those of {@link ListenerTimeouts} */
  readonly timeouts?: ListenerTimeouts
}

/** TLS of a listener. Certificates are read again when they change; connections in progress keep theirs. */
export interface ListenerTls {
  /** Certificates, chosen by the server name that the client requests. The first is for clients without a matching one. */
  readonly certificates: readonly ListenerCertificate[]
  /** Authorities of client certificates. @default client certificates are not requested */
  readonly clientCa?: PemSource
  /** Whether clients need a certificate of `clientCa`. @default true */
  readonly clientCertificateRequired?: boolean
  /** @default 'TLSv1.2' */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /**
   * Whether clients may also connect without TLS, on the same port. They are recognised by their first bytes. Client
   * certificates are only required over TLS.
   *
   * @default false
   */
  readonly clearText?: boolean
}

/** A certificate with its private key. */
export interface ListenerCertificate {
  /** Certificate chain. */
  readonly cert: PemSource
  /** Private key of the certificate, without a passphrase. */
  readonly key: PemSource
  /** Server names, such as `api.example.com` or `*.example.com`. @default the names in the certificate */
  readonly serverNames?: readonly string[]
}

/** Limits of a listener. */
export interface ListenerLimits {
  /** Bytes of a request's head. @default 16_384 (16 KiB) */
  readonly headerBytes?: number
  /** Fields of a request. @default 100 */
  readonly headers?: number
  /** Characters of path and query. @default 8_192 */
  readonly pathLength?: number
  /** Open connections. @default 20_000 */
  readonly connections?: number
  /** Open connections from one address. @default no limit */
  readonly connectionsPerAddress?: number
  /** Requests on one connection; it is closed afterwards. @default 10_000 */
  readonly requestsPerConnection?: number
  /** Concurrent streams of an HTTP/2 connection. @default 128 */
  readonly streamsPerConnection?: number
  /** Requests that an HTTP/2 client may cancel within ten seconds; its connection is closed with more. @default 256 */
  readonly cancelledStreams?: number
  /** How fast request bodies must arrive. @default 240 bytes per second over 20 seconds */
  readonly minBodyRate?: MinBodyRate
}

/**
 * The least rate at which a client must send a request body, until the response begins; a slower request gets 408. Time in which
 * the gateway itself does not read is left out.
 */
export interface MinBodyRate {
  /** 0 for no minimum. @default 240 */
  readonly bytesPerSecond?: number
  /** Time over which the rate is measured, in milliseconds, which is also the time that a body has at first. @default 20_000 */
  readonly windowMs?: number
}

/** Time limits of a listener, in milliseconds. */
export interface ListenerTimeouts {
  /** Until the head of a request has arrived. @default 10_000 */
  readonly headersMs?: number
  /** A connection without a request. @default 60_000 */
  readonly idleConnectionMs?: number
  /** TLS handshake, PROXY header and HTTP/2 preface. @default 5_000 */
  readonly handshakeMs?: number
  /** Between two chunks of a request body, and until the client reads more of a response. @default 30_000 */
  readonly idleBodyMs?: number
}

/** A rule that says where matching requests go. Exactly one of `forward`, `redirect` and `respond` is required. */
export interface RouteSpec {
  /** Unique name, for logs and metrics. */
  readonly name: string
  /** Names of the listeners. @default all */
  readonly listeners?: readonly string[]
  /** @default every request */
  readonly match?: RouteMatch
  /** The service, or several among which requests are split by weight. */
  readonly forward?: ForwardTarget | readonly ForwardTarget[]
  /** Redirects instead of forwarding. */
  readonly redirect?: RedirectSpec
  /** Responds itself. */
  readonly respond?: DirectResponse
  /** Sends a copy of the request to another service; its response is dropped. */
  readonly mirror?: MirrorSpec
  /** Changes path and host before the request is sent on. @default none */
  readonly rewrite?: RewriteSpec
  /** Changes of header fields. @default none */
  readonly headers?: { readonly request?: HeaderRules; readonly response?: HeaderRules }
  /** Keeps a client on one instance. @default each request goes where the balancer sends it */
  readonly affinity?: AffinitySpec
  /** Options of the protocol of `match.protocol`, which its package checks. @default those of the protocol */
  readonly options?: Readonly<Record<string, unknown>>
  /** Limits of this route. @default none */
  readonly limits?: RouteLimits
  /** Time limits of this route. @default those of the service */
  readonly timeouts?: RouteTimeouts
  /**
   * Pushes what `link: rel=preload` fields of responses name, to HTTP/2 clients that accept pushes. Browsers do not.
   *
   * @default false
   */
  readonly push?: boolean
  /** Filters, in order: the name of a registered filter and its options. @default none */
  readonly filters?: readonly FilterSpec[]
}

/**
 * Conditions, all of which a request must meet. Of the routes whose conditions a request meets, the most specific one is used:
 *
 * 1. by host: an exact one, then a wildcard with more labels, one with fewer, then any
 * 2. by path, at the first segment in which two differ: text, then a placeholder, then `*`. `/orders` is before `/orders/*`,
 *    and that is before `/*`
 * 3. by the number of other conditions: `methods`, `protocol`, `listeners`, each header field and each query parameter
 * 4. by the number of those that name values, then of those that name a prefix
 *
 * The order in the table has no effect. Two routes that are equal in all of this are refused if a request can meet both.
 */
export interface RouteMatch {
  /** Host names without port: `api.example.com`, or `*.example.com` for one or more labels. @default any */
  readonly hosts?: readonly string[]
  /**
   * `/orders` alone, `/orders/*` for it and everything below, or with placeholders for one segment: `/orders/{id}/lines`.
   * Escapes have no effect: `/%6Frders` is the same path. @default any
   */
  readonly path?: string
  /** Methods in upper case. `GET` includes `HEAD`. If only the method differs, the response is 405. @default any */
  readonly methods?: readonly string[]
  /** Header fields by name. Repeated ones count as one, joined by `, `. */
  readonly headers?: Readonly<Record<string, FieldMatch>>
  /** Query parameters by name. The first one of each name is used. */
  readonly query?: Readonly<Record<string, FieldMatch>>
  /** `http`, or the name of one of the gateway's protocols, such as `websocket`. @default any of those of HTTP */
  readonly protocol?: 'http' | (string & {})
}

/** A value, or a condition. */
export type FieldMatch =
  | string
  | { readonly present: boolean }
  | { readonly oneOf: readonly string[] }
  | { readonly prefix: string }

/** A service, and which of its instances. */
export interface ForwardTarget {
  readonly service: string
  /** Share of the requests, in relation to the other targets; 0 for none. @default 1 */
  readonly weight?: number
  /** Which instances get requests. @default all */
  readonly instances?: InstanceSelector
}

/** Conditions that an instance must meet. */
export interface InstanceSelector {
  /** Exact version, or its first parts: `2` selects `2`, `2.1` and `2.1.4`. */
  readonly version?: string
  /** Values of the metadata. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** A redirect. */
export interface RedirectSpec {
  /** @default 308 */
  readonly status?: 301 | 302 | 303 | 307 | 308
  /** @default the request's */
  readonly scheme?: 'http' | 'https'
  /** Host, possibly with port. @default the request's */
  readonly host?: string
  /** Path, possibly with placeholders of `match.path`; the query is kept. @default the request's */
  readonly path?: string
  /** Replaces the part of the path before the `*` of `match.path` instead. Not with `path`. */
  readonly prefix?: string
}

/** A response of the gateway. */
export interface DirectResponse {
  readonly status: number
  /** Fields of the response. `content-length` is added. @default none */
  readonly headers?: Readonly<Record<string, string>>
  /** @default none */
  readonly body?: string
}

/**
 * A copy of the requests of a route, after its filters have passed them. It never delays or fails the request itself, and its
 * response is dropped.
 */
export interface MirrorSpec {
  readonly service: string
  /** Share of the requests, from 0 to 100. @default 100 */
  readonly percent?: number
  /** Copies in progress; requests beyond it are not copied. @default 100 */
  readonly concurrency?: number
  /** Bytes of a request body; requests with a longer one are not copied. @default 65_536 (64 KiB) */
  readonly bodyBytes?: number
}

/** Changes of the request line. The query is kept. `{name}` stands for the segment at this placeholder of `match.path`. */
export interface RewriteSpec {
  /** Replaces the part of the path before the `*` of `match.path`. */
  readonly prefix?: string
  /** Replaces the whole path. Not with `prefix`. */
  readonly path?: string
  /** Replaces the host. @default the request's */
  readonly host?: string
}

/**
 * Changes of header fields: first `remove`, then `set`, then `add`. Those of a request apply before its filters, those of a
 * response after them. `host` and the fields of framing and of one connection can't be changed.
 */
export interface HeaderRules {
  /** Names of fields that are removed. @default none */
  readonly remove?: readonly string[]
  /** Fields that replace all of the same name. @default none */
  readonly set?: Readonly<Record<string, string>>
  /** Fields that are added to those of the same name. @default none */
  readonly add?: Readonly<Record<string, string>>
}

/**
 * A cookie of the gateway that keeps a client on one instance, and on one target of a split. It names them by keyed hashes, see
 * `GatewayOptions.affinityKeys`. The client moves when its instance is out. No service of the gateway receives the cookie.
 */
export interface AffinitySpec {
  /** Name of the cookie. */
  readonly cookie: string
  /** How long it holds without a request, in milliseconds. @default 3_600_000 (1 hour) */
  readonly ttlMs?: number
  /** Path of the cookie. @default '/' */
  readonly path?: string
  /** @default 'lax' */
  readonly sameSite?: 'strict' | 'lax' | 'none'
  /** Whether only requests over TLS carry it. @default whether the request came over TLS, also to a trusted proxy */
  readonly secure?: boolean
}

/** Limits of a route. */
export interface RouteLimits {
  /** Bytes of a request body; a longer one gets 413. @default no limit */
  readonly bodyBytes?: number
  /** Concurrent requests; more get 503. @default no limit */
  readonly concurrency?: number
  /** Requests per time; more get 429. @default no limit */
  readonly rate?: RouteRateLimit
  /** Bytes of a request body that are kept for another attempt. @default 65_536 (64 KiB) */
  readonly replayBytes?: number
  /** How fast request bodies must arrive. @default the listener's */
  readonly minBodyRate?: MinBodyRate
}

/** A rate limit of a route. */
export interface RouteRateLimit {
  /** Name of one of `GatewayOptions.rateLimiters`, which has the numbers. Routes with the same one share its units. */
  readonly limiter: string
  /**
   * What has a limit of its own: each address of a client (for IPv6 its /64), each value of a header field, or all requests
   * together with `none`. Requests without the field share one. @default 'client-address'
   */
  readonly key?: 'client-address' | 'none' | { readonly header: string }
}

/** Time limits of a route, in milliseconds; 0 for no limit. */
export interface RouteTimeouts {
  /** Until the head of the response. @default the service's `timeoutMs` */
  readonly headMs?: number
  /** Between two chunks of the response. @default the service's `timeoutMs` */
  readonly idleMs?: number
  /** The whole exchange. @default 0 */
  readonly maxMs?: number
}

/** A filter by the name under which `GatewayOptions.filters` has it, with its options. */
export interface FilterSpec {
  /** Name under which the filter is registered. */
  readonly filter: string
  readonly [option: string]: unknown
}
