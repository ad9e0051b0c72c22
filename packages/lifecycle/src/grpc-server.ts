import type { DrainableServer } from './drainable-server.ts'

/** What of a `Server` of `@grpc/grpc-js` draining needs. It tells its port to nobody but the callback of `bindAsync`: give it as `instance.port`. */
export interface GrpcServer {
  /** Accepts nothing new, sends GOAWAY to each session, calls back once calls under way have ended. */
  tryShutdown(callback: (error?: Error) => void): void
  /** Ends everything. */
  forceShutdown(): void
}

/** Drains a server by its own means. */
export function createGrpcDrain(server: GrpcServer): DrainableServer {
  return {
    whenListening: async () => undefined,
    finishDrain: () => new Promise((resolve, reject) => server.tryShutdown((error) => (error ? reject(error) : resolve()))),
    destroy: () => server.forceShutdown(),
  }
}
