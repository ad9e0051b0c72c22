import type { DrainableServer } from './drainable-server.ts'
import { acceptWaiting } from './net-server.ts'

/**
 * The part of a `Server` of `@grpc/grpc-js` that draining uses. Only the callback of `bindAsync` receives the port: pass it
 * as `instance.port`.
 */
export interface GrpcServer {
  /** Accepts nothing new, sends GOAWAY to each session, and calls back once all calls have ended. */
  tryShutdown(callback: (error?: Error) => void): void
  /** Ends all sessions at once. */
  forceShutdown(): void
}

/** Drains a gRPC server with its own methods. */
export function createGrpcDrain(server: GrpcServer): DrainableServer {
  return {
    whenListening: async () => undefined,
    async finishDrain() {
      await acceptWaiting()
      await new Promise<void>((resolve, reject) => server.tryShutdown((error) => (error ? reject(error) : resolve())))
    },
    destroy: () => server.forceShutdown(),
  }
}
