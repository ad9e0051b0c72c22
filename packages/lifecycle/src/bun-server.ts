import { sleep } from '@sd/core'
import type { DrainableServer } from './drainable-server.ts'

/** What of the server that `Bun.serve` returns draining needs. */
export interface BunServer {
  /** Where it listens; `undefined` on a Unix socket. */
  readonly port?: number | undefined
  /** Requests under way. */
  readonly pendingRequests: number
  /** Open WebSockets. */
  readonly pendingWebSockets: number
  /** Stops accepting; resolves once all connections have ended, which `true` cuts. */
  stop(closeActiveConnections?: boolean): Promise<void> | void
}

/** How often it is looked whether requests are under way, in milliseconds. */
const lookEveryMs = 20

/**
 * Drains a server of `Bun.serve`. Bun sets no header on responses of others, so clients are not asked to leave: connections that are idle
 * when callers know are ended.
 */
export function createBunDrain(server: BunServer): DrainableServer {
  let isCut = false
  return {
    whenListening: async () => server.port,
    async finishDrain() {
      void server.stop()
      while (!isCut && server.pendingRequests + server.pendingWebSockets > 0) await sleep(lookEveryMs, undefined, true)
      // What is left has no request: Bun would wait for its idle timeout.
      await server.stop(true)
    },
    remaining: () => ({ requests: server.pendingRequests, upgraded: server.pendingWebSockets, connections: 0 }),
    async destroy() {
      isCut = true
      await server.stop(true)
    },
  }
}
