import { checkDuration, checkInteger, checkKnownKeys, checkObject } from '@sd/core'

/** Time without a datagram after which a session ends, in milliseconds, if its route does not say. */
const defaultIdleMs = 30_000

/** `options` of a route with `match.protocol: 'udp'`. */
export interface UdpRouteOptions {
  /**
   * Time without a datagram in either direction after which a session ends, in milliseconds.
   *
   * @default `timeouts.idleMs` of the route, or 30_000
   */
  readonly idleMs?: number
  /** Responses after which a session ends, such as 1 for DNS. @default no limit */
  readonly responses?: number
}

/** Options with their defaults. */
export interface ResolvedUdpOptions {
  /** `Infinity` for no limit. */
  readonly idleMs: number
  readonly responses: number
}

/**
 * Checks the options of a route.
 *
 * @param routeIdleMs `timeouts.idleMs` of the route @throws SdError `SD_INVALID` that names the field
 */
export function readUdpOptions(options: unknown, path: string, routeIdleMs: number = defaultIdleMs): ResolvedUdpOptions {
  const given = checkObject(path, options ?? {}) as UdpRouteOptions
  checkKnownKeys(path, given, ['idleMs', 'responses'])
  const { idleMs = routeIdleMs || Number.POSITIVE_INFINITY, responses = Number.MAX_SAFE_INTEGER } = given
  if (given.idleMs !== undefined) checkDuration(`${path}.idleMs`, given.idleMs, 1)
  checkInteger(`${path}.responses`, responses, { min: 1, max: Number.MAX_SAFE_INTEGER })
  return { idleMs, responses }
}
