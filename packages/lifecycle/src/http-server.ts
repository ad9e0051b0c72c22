import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { DrainableServer } from './drainable-server.ts'
import { asListener, closeServer, type EventListener, type NetServer, portOf, sweepUntil } from './net-server.ts'
import { trackSockets } from './socket-tracker.ts'
import { trackUpgrades } from './upgraded-sockets.ts'

/** What of a server draining needs: `node:http`, `node:https`, and what Express's and Fastify's are made of. */
export interface HttpServer extends NetServer {
  /** Ends connections without a request. */
  closeIdleConnections(): void
  /** Ends all connections. */
  closeAllConnections(): void
  /** What tells a server of `node:https`. */
  setSecureContext?(options: object): void
}

/** How long a new connection may take to begin its request once the server has stopped, in milliseconds. */
const unusedGraceMs = 100
/** How long half of a request may take to become a whole one once the server has stopped, in milliseconds. */
const halfGraceMs = 1_000

/**
 * Drains a server by asking clients in every response to leave their connection, and WebSockets by a close frame.
 *
 * @param stop stops the server and resolves once all its connections have ended
 */
export function createHttpDrain(server: HttpServer, stop: () => Promise<unknown> = () => closeServer(server)): DrainableServer {
  const sockets = trackSockets(server, typeof server.setSecureContext === 'function')
  const upgraded = trackUpgrades(server)
  /** Number of requests under way on each connection. */
  const requests = new Map<Socket, number>()
  function countRequest({ socket }: IncomingMessage, response: ServerResponse): void {
    requests.set(socket, (requests.get(socket) ?? 0) + 1)
    response.on('close', () => {
      const left = (requests.get(socket) ?? 1) - 1
      if (left > 0) requests.set(socket, left)
      else requests.delete(socket)
    })
  }
  server.prependListener('request', asListener(countRequest))

  /** Ends connections that Node does not end by itself: until version 26 those without a first request, and those with half of one. */
  function endUseless(stoppedAt: number): void {
    const now = performance.now()
    for (const [socket, openedAt] of sockets.open) {
      if (requests.has(socket) || upgraded.open.has(socket)) continue
      const isUnused = socket.bytesRead === 0
      if (isUnused ? now - openedAt > unusedGraceMs : now - stoppedAt > halfGraceMs) socket.destroy()
    }
  }

  return {
    whenListening: () => portOf(server),
    beginDrain() {
      server.prependListener('request', askToLeave)
    },
    async finishDrain() {
      const stoppedAt = performance.now()
      await sweepUntil(stop(), () => {
        upgraded.sendGoingAway()
        server.closeIdleConnections()
        endUseless(stoppedAt)
      })
      server.off('request', askToLeave)
    },
    remaining() {
      const underWay = [...requests.values()].reduce((sum, number) => sum + number, 0)
      const connections = [...sockets.open.keys()].filter((socket) => !requests.has(socket) && !upgraded.open.has(socket))
      return { requests: underWay, upgraded: upgraded.open.size, connections: connections.length }
    },
    destroy() {
      server.closeAllConnections()
      upgraded.destroy()
      for (const socket of sockets.open.keys()) socket.destroy()
    },
  }
}

/** Asks the client of an HTTP/1.1 request not to use its connection again. */
export const askToLeave: EventListener = asListener(
  (
    request: { readonly httpVersionMajor: number },
    response: { readonly headersSent: boolean; setHeader(name: string, value: string): unknown },
  ) => {
    if (request.httpVersionMajor === 1 && !response.headersSent) response.setHeader('connection', 'close')
  },
)
