import type { ServerHttp2Session } from 'node:http2'
import type { DrainableServer } from './drainable-server.ts'
import { sendConnectionClose } from './http-server.ts'
import { acceptWaiting, asListener, closeServer, type NetServer, portOf, sweepUntil } from './net-server.ts'
import { trackSockets } from './socket-tracker.ts'

/** The part of a `node:http2` server that draining uses, with or without TLS, with or without HTTP/1.1. */
export interface Http2Server extends NetServer {
  /** Distinguishes it from an HTTP/1.1 server. */
  updateSettings(settings: object): void
  /** Closes HTTP/1.1 connections without a request. */
  closeIdleConnections?(): void
  /** Identifies a secure server. */
  setSecureContext?(options: object): void
}

/** How long a connection may take to begin a session once the server has stopped, in milliseconds. */
const noSessionGraceMs = 1_000

/**
 * Drains a server by sending GOAWAY to each session, once callers know that the instance is leaving. Not before: Node can't
 * send a GOAWAY that only announces. After any GOAWAY, even one with the highest stream id (RFC 9113, 6.8), it drops
 * requests in flight.
 *
 * @param stop stops the server and resolves once all its connections have ended
 */
export function createHttp2Drain(server: Http2Server, stop: () => Promise<unknown> = () => closeServer(server)): DrainableServer {
  const sockets = trackSockets(server, typeof server.setSecureContext === 'function')
  const sessions = new Set<ServerHttp2Session>()
  let openStreams = 0
  let isDraining = false
  function follow(session: ServerHttp2Session): void {
    sessions.add(session)
    const forget = sockets.leaveOut(session.socket)
    session.once('close', () => {
      sessions.delete(session)
      forget()
    })
    // Listen on the session. A listener on the server would make it expect that the application handles streams.
    session.on('stream', (stream) => {
      openStreams++
      stream.once('close', () => openStreams--)
    })
    if (isDraining) session.close()
  }
  server.on('session', asListener(follow))

  return {
    whenListening: () => portOf(server),
    beginDrain() {
      // A server without a request listener handles only streams. A listener would make it parse each request.
      if (server.listenerCount('request') > 0) server.prependListener('request', sendConnectionClose)
    },
    async finishDrain() {
      await acceptWaiting()
      isDraining = true
      const stoppedAt = performance.now()
      const stopped = stop()
      // GOAWAY names the last stream that is served, so that clients send later requests elsewhere. The session closes
      // after its streams.
      for (const session of sessions) session.close()
      await sweepUntil(stopped, () => {
        server.closeIdleConnections?.()
        if (performance.now() - stoppedAt < noSessionGraceMs) return
        for (const socket of sockets.open) if (socket.bytesRead === 0) socket.destroy()
      })
      server.off('request', sendConnectionClose)
    },
    remaining() {
      return { requests: openStreams, upgraded: 0, connections: sockets.open.size }
    },
    destroy() {
      for (const session of sessions) session.destroy()
      for (const socket of sockets.open) socket.destroy()
    },
  }
}
