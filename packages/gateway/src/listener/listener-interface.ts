import type { ResolvedListener } from '../table/resolve-table.ts'

/** Settings of a listener that are not in effect. Exactly one of the two is called. */
export interface PreparedSettings {
  /** Puts them in effect. Does not throw. */
  apply(): void
  discard(): void
}

/** An address on which the gateway accepts connections. */
export interface Listener {
  /** The settings in effect. */
  readonly spec: ResolvedListener
  readonly port: number
  /** Open connections. */
  readonly connections: number
  /** Requests whose response is not complete. */
  readonly requests: number
  /** Connections and sessions of protocols that are not on HTTP. */
  readonly streams: number
  /**
   * Prepares other settings for the same address. Connections in progress keep theirs, except for the name of the listener
   * and the trusted proxies.
   *
   * @throws SdError `SD_INVALID` that names the field; `SD_UNAVAILABLE` for a certificate that can't be read
   */
  prepare(spec: ResolvedListener): Promise<PreparedSettings>
  /** Begins to serve connections. Those that came before wait. */
  start(): void
  /** Asks the clients to send further requests elsewhere. New connections are still accepted. */
  beginDrain(): void
  /**
   * Accepts no new connections, and closes the open ones when their work is complete.
   *
   * @param limitMs after which `destroy` is called @returns resolves when none is open
   */
  finish(limitMs: number): Promise<void>
  /** Accepts no new connections, and closes all open ones at once. */
  destroy(): Promise<void>
}
