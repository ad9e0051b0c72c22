import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import type { ClientConnection } from '../listener/connection.ts'
import type { GatewayFront } from '../streams/stream-protocol.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import { Http1Request, Http1Response } from './http1-downstream.ts'
import { Http1Peer } from './http1-peer.ts'

/** Creates the front for HTTP/1.0 and HTTP/1.1, on `node:http` and its strict parser. */
export function createHttp1Front(context: ExchangeContext, listener: ResolvedListener): GatewayFront {
  const peers = new Map<Duplex, Http1Peer>()
  let isDraining = false
  let onEmpty: (() => void) | undefined
  const server = createHttpServer(listener, (request) => context.upgrades.has(upgradeOf(request)))

  function serve(request: Http1Request, response: Http1Response): void {
    peers.get(request.socket)?.serve(request, response, false)
  }
  /** Earlier versions of Node.js ask no callback: with a listener, all upgrades reach it. */
  function acceptUpgrades(): void {
    if (context.upgrades.size === 0 || server.listenerCount('upgrade') > 0) return
    server.on('upgrade', (request, socket, head) => serveRaw(request, socket, head, upgradeOf(request)))
  }
  function serveRaw(request: IncomingMessage, socket: Duplex, head: Uint8Array, protocol?: string): void {
    peers.get(socket)?.serveRaw(request, head, protocol)
  }

  server.on('request', serve)
  server.on('checkContinue', (request, response) => peers.get(request.socket)?.serve(request, response, true))
  // The exchange refuses other expectations.
  server.on('checkExpectation', serve)
  server.on('connect', (request, socket, head) => serveRaw(request, socket, head))
  server.on('timeout', (socket) => peers.get(socket)?.onTimeout())
  server.on('clientError', (error, socket) => {
    const peer = peers.get(socket)
    if (peer) peer.onError(error)
    else socket.destroy()
  })
  // The checks for slow heads begin with this event, and the listener accepts the connections itself.
  server.emit('listening')

  return {
    protocol: 'http/1.1',
    get connections() {
      return peers.size
    },
    get requests() {
      let requests = 0
      for (const peer of peers.values()) if (peer.isBusy) requests++
      return requests
    },
    accept(socket, connection: ClientConnection) {
      const peer = new Http1Peer(context, listener, socket, connection)
      peers.set(socket, peer)
      acceptUpgrades()
      if (isDraining) peer.closeAfterRequest()
      socket.once('close', () => {
        peers.delete(socket)
        if (peers.size === 0) onEmpty?.()
      })
      server.emit('connection', socket)
      // Where the first bytes were read, to select the protocol, it is paused.
      socket.resume()
    },
    beginDrain() {
      isDraining = true
      for (const peer of peers.values()) peer.closeAfterRequest()
    },
    finish() {
      isDraining = true
      server.close()
      for (const [socket, peer] of peers) {
        if (peer.isBusy) peer.closeAfterRequest()
        else if (!peer.isUpgraded) socket.destroy()
      }
      return new Promise((resolve) => {
        if (peers.size === 0) resolve()
        else onEmpty = resolve
      })
    },
    destroy() {
      server.close()
      for (const socket of peers.keys()) socket.destroy()
    },
  }
}

function createHttpServer(
  { limits, timeouts }: ResolvedListener,
  shouldUpgradeCallback: (request: IncomingMessage) => boolean,
): Server<typeof Http1Request, typeof Http1Response> {
  const server = createServer<typeof Http1Request, typeof Http1Response>({
    IncomingMessage: Http1Request,
    ServerResponse: Http1Response,
    insecureHTTPParser: false,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: timeouts.headersMs,
    // Bodies have a limit between two chunks.
    requestTimeout: 0,
    // The connection has one timer, for all its states: to change timers would cost more than many other things of a request.
    keepAliveTimeout: 0,
    connectionsCheckingInterval: Math.min(1_000, timeouts.headersMs),
    noDelay: true,
    // The exchange answers, so that there is a record of it.
    requireHostHeader: false,
    // From Node.js 24.12: a request without a body has no stream.
    optimizeEmptyRequests: true,
    // From Node.js 24.9. Before, a request for any protocol is treated as one for ours.
    shouldUpgradeCallback,
  } as Parameters<typeof createServer<typeof Http1Request, typeof Http1Response>>[0])
  // Node.js would drop further fields silently. The exchange counts them.
  server.maxHeadersCount = 0
  server.timeout = Math.min(timeouts.idleBodyMs, timeouts.idleConnectionMs)
  return server
}

/** The protocol that a request asks for, in lower case. */
function upgradeOf({ rawHeaders }: IncomingMessage): string {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if ((rawHeaders[index] as string).toLowerCase() === 'upgrade') return (rawHeaders[index + 1] as string).toLowerCase()
  }
  return ''
}
