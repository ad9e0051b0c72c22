import type { DrainableServer } from './drainable-server.ts'
import { closeServer, type NetServer, portOf } from './net-server.ts'

/** Sees requests before the application does, whatever their version of HTTP. */
export type RequestListener = (
  request: { readonly httpVersionMajor: number },
  response: { readonly headersSent: boolean; setHeader(name: string, value: string): unknown },
) => void

/** What of a server draining needs: `node:http`, `node:https`, and what Express's and Fastify's are made of. */
export interface HttpServer extends NetServer {
  /** Ends connections without a request. */
  closeIdleConnections(): void
  /** Ends all connections. */
  closeAllConnections(): void
  /** Calls `listener` before others at every request. */
  prependListener(event: 'request', listener: RequestListener): unknown
  /** Stops calling `listener`. */
  off(event: 'request', listener: RequestListener): unknown
}

/** Drains a server by asking clients in every answer to leave their connection. */
export function createHttpDrain(server: HttpServer): DrainableServer {
  return {
    whenListening: () => portOf(server),
    beginDrain() {
      server.prependListener('request', askToLeave)
    },
    async finishDrain() {
      await closeServer(server)
      server.off('request', askToLeave)
    },
    destroy: () => server.closeAllConnections(),
  }
}

/** Asks the client of an HTTP/1.1 request not to use its connection again. */
export const askToLeave: RequestListener = (request, response) => {
  if (request.httpVersionMajor === 1 && !response.headersSent) response.setHeader('connection', 'close')
}
