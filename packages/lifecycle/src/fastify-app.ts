import type { DrainableServer } from './drainable-server.ts'
import { createHttpDrain, type HttpServer } from './http-server.ts'
import { createHttp2Drain, type Http2Server } from './http2-server.ts'

/** What of a Fastify application draining needs. */
export interface FastifyApp {
  /** Its server. */
  readonly server: HttpServer | Http2Server
  /** Runs its hooks in their own order: `preClose`, then the end of the server, then `onClose`. */
  close(): PromiseLike<unknown>
  /** What tells an application. */
  addHook(name: never, hook: never): unknown
}

/**
 * Drains a Fastify application: its own `close()` ends it, so that `preClose` can end streams and WebSockets before the server waits for
 * them. Its `onClose` hooks run before those of the lifecycle.
 */
export function createFastifyDrain(app: FastifyApp): DrainableServer {
  const { server } = app
  const stop = async (): Promise<unknown> => app.close()
  return 'updateSettings' in server ? createHttp2Drain(server, stop) : createHttpDrain(server, stop)
}
