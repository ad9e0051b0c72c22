import { createServer, type Http2Server, type ServerHttp2Session, type ServerOptions } from 'node:http2'
import type { Socket } from 'node:net'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import type { ClientConnection } from '../listener/connection.ts'
import type { GatewayFront } from '../streams/stream-protocol.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import { Flooders } from './flooders.ts'
import { Http2Peer, type Http2Scope } from './http2-peer.ts'

/** Bytes of one request that may arrive before they are passed on. */
const streamWindow = 131_072

/** Pseudo-header fields of a request, and room for a response that says that there are too many fields. */
const moreFields = 32

/** Creates the front for HTTP/2, on `node:http2` and its streams. */
export function createHttp2Front(context: ExchangeContext, listener: ResolvedListener): GatewayFront {
  const server = createHttp2Server(listener)
  const scope: Http2Scope = { context, listener, flooders: new Flooders() }
  const peers = new Map<Socket, Http2Peer>()
  const { handshakeMs, idleConnectionMs, idleBodyMs } = listener.timeouts
  const checkMs = Math.max(20, Math.min(1_000, handshakeMs / 4, idleConnectionMs / 4, idleBodyMs / 4))
  let timer: NodeJS.Timeout | undefined
  let isDraining = false
  let onEmpty: (() => void) | undefined

  function check(): void {
    const now = performance.now()
    for (const peer of peers.values()) peer.check(now)
  }
  function begin(socket: Socket, connection: ClientConnection): void {
    if (socket.destroyed) return
    // RFC 8441, for the connections from now on: the gateway may have got its first protocol with its last table.
    if (context.upgrades.size > 0) server.updateSettings({ enableConnectProtocol: true })
    server.once('session', (session: ServerHttp2Session) => {
      const peer = new Http2Peer(scope, session, { socket, connection })
      peers.set(socket, peer)
      socket.once('close', () => forget(socket))
      timer ??= setInterval(check, checkMs).unref()
      if (isDraining) peer.closeSoon()
    })
    // The session begins at once.
    server.emit('connection', socket)
  }
  function forget(socket: Socket): void {
    peers.delete(socket)
    if (peers.size > 0) return
    clearInterval(timer)
    timer = undefined
    onEmpty?.()
  }
  function finish(): void {
    isDraining = true
    for (const peer of peers.values()) peer.close()
  }

  return {
    protocol: 'h2',
    get connections() {
      return peers.size
    },
    get requests() {
      let requests = 0
      for (const peer of peers.values()) requests += peer.requests
      return requests
    },
    accept(socket, connection: ClientConnection) {
      const delayMs = scope.flooders.delayOf(connection)
      if (delayMs === 0) begin(socket, connection)
      else setTimeout(begin, delayMs, socket, connection)
    },
    beginDrain() {
      isDraining = true
      for (const peer of peers.values()) peer.closeSoon()
    },
    finish() {
      finish()
      return new Promise((resolve) => {
        if (peers.size === 0) resolve()
        else onEmpty = resolve
      })
    },
    destroy() {
      for (const socket of peers.keys()) socket.destroy()
    },
  }
}

function createHttp2Server({ limits }: ResolvedListener): Http2Server {
  return createServer({
    maxHeaderListPairs: limits.headers + moreFields,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    maxSettings: 32,
    maxOutstandingPings: 10,
    maxSessionMemory: 10,
    strictSingleValueFields: false,
    settings: {
      maxConcurrentStreams: limits.streamsPerConnection,
      maxHeaderListSize: limits.headerBytes,
      initialWindowSize: streamWindow,
    },
  } as ServerOptions)
}
