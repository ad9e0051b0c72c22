import { checkObject, type Endpoint, isSecureProtocol, type SdError } from '@sd/core'
import { SERVER_NAME_METADATA, type TlsCertificates } from '@sd/tls'
import { Agent, buildConnector, type Dispatcher, interceptors } from 'undici'
import { Http2Beside } from '../http2/http2-beside.ts'
import type { Http2TransportOptions } from '../http2/http2-options.ts'
import { isHttp2 } from '../http2/http2-transport.ts'
import { awaitCertificates, type ClientTlsOptions, followTls } from './tls-options.ts'
import type { Transport, TransportRequest } from './transport.ts'
import { UndiciExchange } from './undici-exchange.ts'

/** Options of {@link createUndiciTransport}. */
export interface UndiciTransportOptions {
  /** Maximum number of connections to one endpoint. @default 128 */
  readonly connections?: number
  /**
   * How long an idle connection is kept, in milliseconds. Shorter than the 5 s of a Node server, which could otherwise
   * close it during a request. @default 4_000
   */
  readonly keepAliveTimeoutMs?: number
  /** Time limit for opening a connection, in milliseconds. @default 3_000 */
  readonly connectTimeoutMs?: number
  /** Certificates, also for HTTP/2 connections. @default Node's trusted CAs, no client certificate */
  readonly tls?: ClientTlsOptions
  /** Connections to instances whose protocol is `h2`, `h2c`, `grpc` or `grpcs`. @default {} */
  readonly http2?: Omit<Http2TransportOptions, 'tls' | 'connectTimeoutMs'>
  /** Whether to offer HTTP/2 over TLS to instances of other protocols. @default false */
  readonly allowH2?: boolean
  /** Whether to request compressed responses and decompress them. @default false */
  readonly decompress?: boolean
  /**
   * A dispatcher of your own instead of an owned Agent. The other connection options then have no effect, and it is not
   * closed.
   */
  readonly dispatcher?: Dispatcher
}

/** A transport over undici. */
export interface UndiciTransport extends Transport {
  /** The dispatcher that sends the requests. */
  readonly dispatcher: Dispatcher
}

/**
 * Sends over undici with one owned Agent, and over `node:http2` to instances whose protocol is HTTP/2. The client
 * enforces deadlines: undici's own time limits for head and body are off.
 */
export function createUndiciTransport(options: UndiciTransportOptions = {}): UndiciTransport {
  checkObject('options', options)
  const owned = options.dispatcher ? undefined : createAgent(options)
  const base = options.dispatcher ?? owned
  const dispatcher = (options.decompress ? base?.compose(interceptors.decompress()) : base) as Dispatcher
  const http2 = new Http2Beside(options)

  return {
    name: 'undici',
    dispatcher,
    send(endpoint, request, handler) {
      if (isHttp2(endpoint)) return http2.transport.send(endpoint, request, handler)
      const exchange = new UndiciExchange(handler)
      exchange.start(dispatcher, endpoint, withServerName(endpoint, request))
      return exchange
    },
    async close() {
      await http2.close()
      if (owned && !owned.destroyed) await owned.destroy()
    },
  }
}

function createAgent(options: UndiciTransportOptions): Agent {
  return new Agent({
    connections: options.connections ?? 128,
    keepAliveTimeout: options.keepAliveTimeoutMs ?? 4_000,
    keepAliveMaxTimeout: options.keepAliveTimeoutMs ?? 4_000,
    allowH2: options.allowH2 ?? false,
    connect: createConnector(options),
  })
}

/** Connects with the current certificates. */
function createConnector({
  connectTimeoutMs: timeout = 3_000,
  allowH2 = false,
  tls,
}: UndiciTransportOptions): buildConnector.connector {
  let connector = buildConnector({ timeout, allowH2 })
  if (!tls) return connector
  const certificates = followTls(tls)
  let current: TlsCertificates | undefined
  return (options, callback) => {
    if (options.protocol !== 'https:') return connector(options, callback)
    awaitCertificates(certificates, timeout).then(
      (now) => {
        // Reused until they change: it caches TLS sessions, which must not outlive their certificates.
        if (now !== current) connector = buildConnector({ ...now, timeout, allowH2 })
        current = now
        connector(options, callback)
      },
      (error: SdError) => callback(error, null),
    )
  }
}

function withServerName(endpoint: Endpoint, request: TransportRequest): TransportRequest {
  if (request.serverName !== undefined || !isSecureProtocol(endpoint.instance.protocol)) return request
  const serverName = endpoint.instance.metadata[SERVER_NAME_METADATA]
  return serverName === undefined ? request : { ...request, serverName }
}
