import { checkDuration, checkInteger, checkKnownKeys, checkObject } from '@sd/core'
import type { TlsCertificates } from '@sd/tls'
import type { Http2TransportOptions } from '../http2/http2-options.ts'
import { type ClientTlsOptions, checkClientTls, followTls } from '../transport/tls-options.ts'

/** Options of {@link createHttp1Transport}. */
export interface Http1TransportOptions {
  /** Maximum number of connections to one endpoint. @default 128 */
  readonly connections?: number
  /** Maximum number of requests to one endpoint that wait for a connection. Further ones end with `SD_REJECTED`. @default 10_000 */
  readonly maxWaiting?: number
  /**
   * How long an idle connection is kept, in milliseconds; less if the server announces it. Shorter than the 5 s of a Node
   * server, which could otherwise close it during a request. @default 4_000
   */
  readonly keepAliveTimeoutMs?: number
  /** Time limit for opening a connection, in milliseconds. @default 3_000 */
  readonly connectTimeoutMs?: number
  /** Bytes of the head of a response, and of its trailer fields. @default 16_384 (16 KiB) */
  readonly maxHeadBytes?: number
  /** Certificates, also for HTTP/2 connections. @default Node's trusted CAs, no client certificate */
  readonly tls?: ClientTlsOptions
  /** Connections to instances whose protocol is `h2`, `h2c`, `grpc` or `grpcs`. @default {} */
  readonly http2?: Omit<Http2TransportOptions, 'tls' | 'connectTimeoutMs'>
}

/** Options with their defaults filled in. */
export interface ResolvedHttp1Options extends Required<Omit<Http1TransportOptions, 'tls' | 'http2'>> {
  /** The current certificates. */
  readonly certificates: () => Promise<TlsCertificates>
}

const keys = ['connections', 'maxWaiting', 'keepAliveTimeoutMs', 'connectTimeoutMs', 'maxHeadBytes', 'tls', 'http2']

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveHttp1Options(options: Http1TransportOptions): ResolvedHttp1Options {
  checkKnownKeys('', checkObject('options', options), keys)
  const { connections = 128, maxWaiting = 10_000, maxHeadBytes = 16_384, tls } = options
  if (tls !== undefined) checkClientTls('tls', tls)
  return {
    connections: checkInteger('connections', connections, { min: 1, max: 65_535 }),
    maxWaiting: checkInteger('maxWaiting', maxWaiting, { min: 1, max: 1_000_000 }),
    maxHeadBytes: checkInteger('maxHeadBytes', maxHeadBytes, { min: 256, max: 16_777_216 }),
    keepAliveTimeoutMs: checkDuration('keepAliveTimeoutMs', options.keepAliveTimeoutMs ?? 4_000, 1),
    connectTimeoutMs: checkDuration('connectTimeoutMs', options.connectTimeoutMs ?? 3_000, 1),
    certificates: followTls(tls ?? {}),
  }
}
