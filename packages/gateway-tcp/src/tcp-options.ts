import { checkDuration, checkKnownKeys, checkObject, checkOneOf } from '@sd/core'

/** `options` of a route with `match.protocol: 'tcp'`. */
export interface TcpRouteOptions {
  /** Time limit for the connection to one instance, in milliseconds. Then another one is tried. @default 5_000 */
  readonly connectMs?: number
  /** Sends the address of the client to the service, by the PROXY protocol in this version. @default it is not sent */
  readonly proxyProtocol?: 'v1' | 'v2'
  /** Time without traffic after which the system asks whether a peer is still there, in milliseconds; 0 for never. @default 30_000 */
  readonly keepAliveMs?: number
}

/** Options with their defaults. */
export interface ResolvedTcpOptions {
  readonly connectMs: number
  readonly proxyProtocol: 'v1' | 'v2' | undefined
  readonly keepAliveMs: number
}

/** Checks the options of a route. @throws SdError `SD_INVALID` that names the field */
export function readTcpOptions(options: unknown, path: string): ResolvedTcpOptions {
  const given = checkObject(path, options ?? {}) as TcpRouteOptions
  checkKnownKeys(path, given, ['connectMs', 'proxyProtocol', 'keepAliveMs'])
  const { connectMs = 5_000, proxyProtocol, keepAliveMs = 30_000 } = given
  checkDuration(`${path}.connectMs`, connectMs, 1)
  checkDuration(`${path}.keepAliveMs`, keepAliveMs)
  if (proxyProtocol !== undefined) checkOneOf(`${path}.proxyProtocol`, proxyProtocol, ['v1', 'v2'])
  return { connectMs, proxyProtocol, keepAliveMs }
}
