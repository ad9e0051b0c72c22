import type { Socket } from 'node:net'
import { asListener, type EmittingServer } from './net-server.ts'

/** What tells a connection from others. */
type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>

/** The sockets of a server, as its application sees them: over TLS those in the clear. */
export interface SocketTracker {
  /** Open sockets. */
  readonly open: ReadonlySet<Socket>
  /** Leaves out the socket of a peer, which may be told of later: something else follows it. @returns a function for when that has ended */
  leaveOut(peer: Peer): () => void
}

/**
 * Follows the sockets of a server from now on; those that are older it does not know.
 *
 * @param isSecure whether they speak TLS: then a socket is replaced by the one in the clear once the handshake is over
 */
export function trackSockets(server: EmittingServer, isSecure: boolean): SocketTracker {
  const open = new Set<Socket>()
  const leftOut = new Set<string>()
  /** Sockets with a handshake under way, by their peer. */
  const shaking = new Map<string, Socket>()

  function add(socket: Socket): void {
    if (leftOut.has(peerOf(socket))) return
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }

  function addRaw(socket: Socket): void {
    add(socket)
    if (!isSecure) return
    const peer = peerOf(socket)
    shaking.set(peer, socket)
    socket.once('close', () => {
      if (shaking.get(peer) === socket) shaking.delete(peer)
    })
  }

  function addSecure(socket: Socket): void {
    const peer = peerOf(socket)
    const raw = shaking.get(peer)
    if (raw) {
      shaking.delete(peer)
      open.delete(raw)
    }
    add(socket)
  }

  server.on('connection', asListener(addRaw))
  if (isSecure) server.on('secureConnection', asListener(addSecure))
  return {
    open,
    leaveOut(peer) {
      const name = peerOf(peer)
      leftOut.add(name)
      for (const socket of open) if (peerOf(socket) === name) open.delete(socket)
      return () => leftOut.delete(name)
    },
  }
}

function peerOf({ remoteAddress, remotePort }: Peer): string {
  return `${remoteAddress} ${remotePort}`
}
