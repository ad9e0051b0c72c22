import { checkDuration, checkInteger, checkKnownKeys, checkObject } from '@sd/core'
import type { TlsCertificates } from '@sd/tls'
import { type ClientTlsOptions, checkClientTls, followTls } from '../transport/tls-options.ts'

/** Options of {@link createHttp2Transport}. */
export interface Http2TransportOptions {
  /**
   * Maximum number of connections to one endpoint. Another one is opened when all streams of the others are in use.
   * @default 4
   */
  readonly maxSessions?: number
  /**
   * Maximum number of concurrent streams of one connection; a lower limit of the server applies. @default 100 (RFC
   * 9113, 6.5.2)
   */
  readonly maxStreams?: number
  /** Maximum number of requests to one endpoint that wait for a stream. Further ones end with `SD_REJECTED`. @default 1_000 */
  readonly maxWaiting?: number
  /** Time limit for opening a connection, in milliseconds. @default 3_000 */
  readonly connectTimeoutMs?: number
  /**
   * A connection with open streams that is silent for this long is checked with a PING, in milliseconds; 0 for never.
   * @default 10_000
   */
  readonly pingIntervalMs?: number
  /** Time limit for the reply to a PING, after which the connection is given up, in milliseconds. @default 5_000 */
  readonly pingTimeoutMs?: number
  /** How long a connection without streams is kept, in milliseconds. @default 30_000 */
  readonly idleMs?: number
  /** Certificates. @default Node's trusted CAs, no client certificate */
  readonly tls?: ClientTlsOptions
}

/** Options with their defaults filled in. */
export interface ResolvedHttp2Options extends Required<Omit<Http2TransportOptions, 'tls'>> {
  /** The current certificates. */
  readonly certificates: () => Promise<TlsCertificates>
}

/** Validates the options except `tls` and `connectTimeoutMs`. @throws SdError `SD_INVALID` that names the option */
export function checkHttp2Options(field: string, options: Http2TransportOptions): void {
  checkKnownKeys(field, checkObject(field, options), [...counts, ...durations])
  for (const name of counts) {
    if (options[name] !== undefined) checkInteger(`${field}.${name}`, options[name], { min: 1, max: 65_535 })
  }
  for (const name of durations) {
    if (options[name] !== undefined) checkDuration(`${field}.${name}`, options[name], name === 'pingIntervalMs' ? 0 : 1)
  }
}

const counts = ['maxSessions', 'maxStreams', 'maxWaiting'] as const
const durations = ['pingIntervalMs', 'pingTimeoutMs', 'idleMs'] as const

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveHttp2Options(options: Http2TransportOptions): ResolvedHttp2Options {
  checkObject('options', options)
  const { tls, connectTimeoutMs, ...rest } = options
  checkHttp2Options('options', rest)
  if (tls !== undefined) checkClientTls('tls', tls)
  return {
    maxSessions: options.maxSessions ?? 4,
    maxStreams: options.maxStreams ?? 100,
    maxWaiting: options.maxWaiting ?? 1_000,
    connectTimeoutMs: checkDuration('connectTimeoutMs', connectTimeoutMs ?? 3_000, 1),
    pingIntervalMs: options.pingIntervalMs ?? 10_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 5_000,
    idleMs: options.idleMs ?? 30_000,
    certificates: followTls(tls ?? {}),
  }
}
