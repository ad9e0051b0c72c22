import { checkDuration, checkInteger, checkKnownKeys, checkObject, invalidError } from '@sd/core'
import { Origins } from './origins.ts'
import type { RelayLimits } from './relay/relay.ts'

/** `options` of a route with `match: { protocol: 'websocket' }`. */
export interface WebSocketRouteOptions {
  /**
   * Closes a connection on which neither side has sent a frame by itself, in milliseconds; 0 for no limit. Responses to PINGs of
   * the gateway don't count. @default 0
   */
  readonly idleMs?: number
  /**
   * Sends a PING to a peer that was silent for this time, in milliseconds, and ends the connection of one that is silent for
   * twice this time; 0 for none. @default 30_000
   */
  readonly pingMs?: number
  /** Time for both peers to close, in milliseconds; then the connection is cut. @default 5_000 */
  readonly closeTimeoutMs?: number
  /** Most bytes of a message, on the wire; 0 for no limit. A longer one closes the connection with 1009. @default 0 */
  readonly maxMessageBytes?: number
  /**
   * Origins of browsers that may connect, such as `https://shop.example` or `https://*.shop.example`; others get 403. Requests
   * without `origin` field are not from browsers, and pass. @default all
   */
  readonly origins?: readonly string[]
}

/** Checked options of a route. */
export interface ResolvedRouteOptions extends RelayLimits {
  /** `undefined` for all. */
  readonly origins: Origins | undefined
}

const keys = ['idleMs', 'pingMs', 'closeTimeoutMs', 'maxMessageBytes', 'origins']

/** @throws SdError `SD_INVALID` that names the option, below `path` */
export function readRouteOptions(options: unknown, path: string): ResolvedRouteOptions {
  const given: WebSocketRouteOptions = options === undefined ? {} : checkObject(path, options as object)
  checkKnownKeys(path, given, keys)
  const { idleMs = 0, pingMs = 30_000, closeTimeoutMs = 5_000, maxMessageBytes = 0, origins } = given
  return {
    idleMs: checkDuration(`${path}.idleMs`, idleMs),
    pingMs: checkDuration(`${path}.pingMs`, pingMs),
    closeTimeoutMs: checkDuration(`${path}.closeTimeoutMs`, closeTimeoutMs, 1),
    maxMessageBytes: checkInteger(`${path}.maxMessageBytes`, maxMessageBytes, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    origins: origins === undefined ? undefined : readOrigins(origins, `${path}.origins`),
  }
}

function readOrigins(origins: unknown, path: string): Origins {
  if (!Array.isArray(origins) || origins.length === 0) throw invalidError(path, origins, 'a list of origins')
  return new Origins(origins, path)
}
