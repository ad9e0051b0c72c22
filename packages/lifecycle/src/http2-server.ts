import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { DrainableServer } from './drainable-server.ts'
import { askToLeave, type RequestListener } from './http-server.ts'
import { closeServer, type NetServer, portOf } from './net-server.ts'

/** What of a server draining needs: `node:http2`'s, in the clear or secure, with or without HTTP/1.1. */
export interface Http2Server extends NetServer {
  /** What tells it from an HTTP/1.1 server. */
  updateSettings(settings: object): void
  /** Ends HTTP/1.1 connections without a request. */
  closeIdleConnections?(): void
  /** Number of listeners. */
  listenerCount(event: 'request'): number
  /** Calls `listener` at every connection. */
  on(event: 'connection', listener: (socket: Socket) => void): unknown
  /** Calls `listener` at every HTTP/2 session. */
  on(event: 'session', listener: (session: ServerHttp2Session) => void): unknown
  /** Calls `listener` before others at every request. */
  prependListener(event: 'request', listener: RequestListener): unknown
  /** Stops calling `listener`. */
  off(event: 'request', listener: RequestListener): unknown
}

/**
 * Drains a server by a GOAWAY to each session once callers know of its leaving. Not before: Node has no GOAWAY that only announces. After
 * any, even one with the highest stream id (RFC 9113, 6.8), it drops requests that were on their way.
 */
export function createHttp2Drain(server: Http2Server): DrainableServer {
  const sessions = collect<ServerHttp2Session>((add) => server.on('session', add))
  const sockets = collect<Socket>((add) => server.on('connection', add))
  return {
    whenListening: () => portOf(server),
    beginDrain() {
      // Without a listener the server uses streams alone, and one would make it parse each request for nothing.
      if (server.listenerCount('request') > 0) server.prependListener('request', askToLeave)
    },
    async finishDrain() {
      const closed = closeServer(server)
      // Names the last request that is served, so that clients send later ones elsewhere; ends when those before it have.
      for (const session of sessions) session.close()
      server.on('session', (session) => session.close())
      await closed
      server.off('request', askToLeave)
    },
    destroy() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Those that are open. */
function collect<Closing extends { once(event: 'close', listener: () => void): unknown }>(
  subscribe: (add: (item: Closing) => void) => void,
): ReadonlySet<Closing> {
  const open = new Set<Closing>()
  subscribe((item) => {
    open.add(item)
    item.once('close', () => open.delete(item))
  })
  return open
}
