import type { DrainableServer } from './drainable-server.ts'
import { createHttpDrain, type HttpServer } from './http-server.ts'
import { createHttp2Drain, type Http2Server } from './http2-server.ts'

/** The part of a Fastify application that draining uses. */
export interface FastifyApp {
  /** Its server. */
  readonly server: HttpServer | Http2Server
  /** Runs the hooks in Fastify's order: `preClose`, then the end of the server, then `onClose`. */
  close(): PromiseLike<unknown>
  /** Identifies a Fastify application. */
  addHook(name: never, hook: never): unknown
}

/**
 * Drains a Fastify application with its own `close()`, so that `preClose` hooks can end streams and WebSockets before the
 * server waits for them. Its `onClose` hooks run before the hooks of the lifecycle.
 */
export function createFastifyDrain(app: FastifyApp): DrainableServer {
  const { server } = app
  const stop = async (): Promise<unknown> => app.close()
  return 'updateSettings' in server ? createHttp2Drain(server, stop) : createHttpDrain(server, stop)
}
