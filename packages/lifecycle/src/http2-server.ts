import type { ServerHttp2Session } from 'node:http2'
import type { DrainableServer } from './drainable-server.ts'
import { askToLeave } from './http-server.ts'
import { asListener, closeServer, type NetServer, portOf, sweepUntil } from './net-server.ts'
import { trackSockets } from './socket-tracker.ts'

/** What of a server draining needs: `node:http2`'s, in the clear or secure, with or without HTTP/1.1. */
export interface Http2Server extends NetServer {
  /** What tells it from an HTTP/1.1 server. */
  updateSettings(settings: object): void
  /** Ends HTTP/1.1 connections without a request. */
  closeIdleConnections?(): void
  /** What tells a secure server. */
  setSecureContext?(options: object): void
}

/** How long a connection may take to begin a session once the server has stopped, in milliseconds. */
const noSessionGraceMs = 1_000

/**
 * Drains a server by a GOAWAY to each session once callers know of its leaving. Not before: Node has no GOAWAY that only announces. After
 * any, even one with the highest stream id (RFC 9113, 6.8), it drops requests that were on their way.
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
    // Heard of here and not at the server, which would then think that the application takes streams.
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
      // Without a listener the server uses streams alone, and one would make it parse each request for nothing.
      if (server.listenerCount('request') > 0) server.prependListener('request', askToLeave)
    },
    async finishDrain() {
      isDraining = true
      const stoppedAt = performance.now()
      const stopped = stop()
      // Names the last request that is served, so that clients send later ones elsewhere; ends when those before it have.
      for (const session of sessions) session.close()
      await sweepUntil(stopped, () => {
        server.closeIdleConnections?.()
        if (performance.now() - stoppedAt < noSessionGraceMs) return
        for (const socket of sockets.open) if (socket.bytesRead === 0) socket.destroy()
      })
      server.off('request', askToLeave)
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
