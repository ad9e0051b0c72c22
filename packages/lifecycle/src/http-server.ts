import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { DrainableServer } from './drainable-server.ts'
import { acceptWaiting, asListener, closeServer, type EventListener, type NetServer, portOf, sweepUntil } from './net-server.ts'
import { trackSockets } from './socket-tracker.ts'
import { trackUpgrades } from './upgraded-sockets.ts'

/** The part of `http.Server` that draining uses; `node:https`, Express and Fastify servers fit too. */
export interface HttpServer extends NetServer {
  /** Closes connections without a request. */
  closeIdleConnections(): void
  /** Closes all connections. */
  closeAllConnections(): void
  /** Identifies a server of `node:https`. */
  setSecureContext?(options: object): void
}

/**
 * Number of sweeps that a connection may go without a byte once the server has stopped. Measured in turns of the event
 * loop, not in time: after a long turn its bytes may have arrived without having been read.
 */
const unusedSweeps = 6
/** How long an incomplete request may take to arrive once the server has stopped, in milliseconds. */
const halfGraceMs = 1_000

/**
 * Drains a server. Every response asks the client to close its connection, and WebSockets receive a close frame.
 *
 * @param stop stops the server and resolves once all its connections have ended
 */
export function createHttpDrain(server: HttpServer, stop: () => Promise<unknown> = () => closeServer(server)): DrainableServer {
  const sockets = trackSockets(server, typeof server.setSecureContext === 'function')
  const upgraded = trackUpgrades(server)
  /** Number of requests in progress on each connection. */
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

  /**
   * Closes connections that Node does not close itself: before version 26, those without a first request, and those with
   * half of one.
   */
  function endUseless(sweeps: WeakMap<Socket, number>, isOverdue: boolean): void {
    for (const socket of sockets.open) {
      if (requests.has(socket) || upgraded.open.has(socket)) continue
      const seen = (sweeps.get(socket) ?? 0) + 1
      sweeps.set(socket, seen)
      if (seen > unusedSweeps && (socket.bytesRead === 0 || isOverdue)) socket.destroy()
    }
  }

  return {
    whenListening: () => portOf(server),
    beginDrain() {
      server.prependListener('request', sendConnectionClose)
    },
    async finishDrain() {
      await acceptWaiting()
      const stoppedAt = performance.now()
      const sweeps = new WeakMap<Socket, number>()
      await sweepUntil(stop(), () => {
        upgraded.sendGoingAway()
        server.closeIdleConnections()
        endUseless(sweeps, performance.now() - stoppedAt > halfGraceMs)
      })
      server.off('request', sendConnectionClose)
    },
    remaining() {
      const underWay = [...requests.values()].reduce((sum, number) => sum + number, 0)
      const connections = [...sockets.open].filter((socket) => !requests.has(socket) && !upgraded.open.has(socket))
      return { requests: underWay, upgraded: upgraded.open.size, connections: connections.length }
    },
    destroy() {
      server.closeAllConnections()
      upgraded.destroy()
      for (const socket of sockets.open) socket.destroy()
    },
  }
}

/** Asks the client of an HTTP/1.1 request to close its connection after the response. */
export const sendConnectionClose: EventListener = asListener(
  (
    request: { readonly httpVersionMajor: number },
    response: { readonly headersSent: boolean; setHeader(name: string, value: string): unknown },
  ) => {
    if (request.httpVersionMajor === 1 && !response.headersSent) response.setHeader('connection', 'close')
  },
)
