import { checkDuration, checkInteger, checkKnownKeys, checkObject } from '@sd/core'

/** `options` of a route with `match.protocol: 'udp'`. */
export interface UdpRouteOptions {
  /** Time without a datagram in either direction after which a session ends, in milliseconds. @default 30_000 */
  readonly idleMs?: number
  /** Responses after which a session ends, such as 1 for DNS. @default no limit */
  readonly responses?: number
}

/** Options with their defaults. */
export interface ResolvedUdpOptions {
  readonly idleMs: number
  readonly responses: number
}

/** Checks the options of a route. @throws SdError `SD_INVALID` that names the field */
export function readUdpOptions(options: unknown, path: string): ResolvedUdpOptions {
  const given = checkObject(path, options ?? {}) as UdpRouteOptions
  checkKnownKeys(path, given, ['idleMs', 'responses'])
  const { idleMs = 30_000, responses = Number.MAX_SAFE_INTEGER } = given
  checkDuration(`${path}.idleMs`, idleMs, 1)
  checkInteger(`${path}.responses`, responses, { min: 1, max: Number.MAX_SAFE_INTEGER })
  return { idleMs, responses }
}
