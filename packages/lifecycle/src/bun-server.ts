import { sleep } from '@sd/core'
import type { DrainableServer } from './drainable-server.ts'

/** The part of the server returned by `Bun.serve` that draining uses. */
export interface BunServer {
  /** Port on which it listens; `undefined` on a Unix socket. */
  readonly port?: number | undefined
  /** Requests in progress. */
  readonly pendingRequests: number
  /** Open WebSockets. */
  readonly pendingWebSockets: number
  /** Stops accepting connections. Resolves once all connections have ended; `true` closes them at once. */
  stop(closeActiveConnections?: boolean): Promise<void> | void
}

/** How often the number of pending requests is polled, in milliseconds. */
const lookEveryMs = 20

/**
 * Drains a server of `Bun.serve`. Bun can't add a header to the application's responses, so clients are not asked to leave.
 * Idle connections are closed once callers know that the instance is leaving.
 */
export function createBunDrain(server: BunServer): DrainableServer {
  let isCut = false
  return {
    whenListening: async () => server.port,
    async finishDrain() {
      void server.stop()
      while (!isCut && server.pendingRequests + server.pendingWebSockets > 0) await sleep(lookEveryMs, undefined, true)
      // The remaining connections have no request. Bun would wait for its idle timeout.
      await server.stop(true)
    },
    remaining: () => ({ requests: server.pendingRequests, upgraded: server.pendingWebSockets, connections: 0 }),
    async destroy() {
      isCut = true
      await server.stop(true)
    },
  }
}
