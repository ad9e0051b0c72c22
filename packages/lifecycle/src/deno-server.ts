import type { DrainableServer } from './drainable-server.ts'

/** The part of the server returned by `Deno.serve` that draining uses. */
export interface DenoServer {
  /** Where it listens; without `port` on a Unix socket. */
  readonly addr: { readonly port?: number | undefined }
  /** Resolves once it has closed. */
  readonly finished: Promise<void>
  /** Stops accepting connections, closes idle ones, and resolves once all requests have ended. */
  shutdown(): Promise<void>
}

/**
 * Drains a server of `Deno.serve`. Deno can't add a header to the application's responses, so clients are not asked to leave.
 * It has no way to cut a request either, except for the `signal` that the application gave it: the exit of the process ends the rest.
 */
export function createDenoDrain(server: DenoServer): DrainableServer {
  return {
    whenListening: async () => server.addr.port,
    finishDrain: () => server.shutdown(),
    destroy: () => undefined,
  }
}
