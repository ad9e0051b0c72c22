import type { Socket } from 'node:net'
import { asListener, type EmittingServer } from './net-server.ts'

/** The sockets of a server, as its application sees them: over TLS those in the clear. */
export interface SocketTracker {
  /** Open sockets. */
  readonly open: ReadonlySet<Socket>
  /** Leaves out the socket of a peer from now on: something else follows it. */
  leaveOut(peer: Pick<Socket, 'remoteAddress' | 'remotePort'>): void
}

/**
 * Follows the sockets of a server from now on; those that are older it does not know.
 *
 * @param isSecure whether they speak TLS: then a socket is replaced by the one in the clear once the handshake is over
 */
export function trackSockets(server: EmittingServer, isSecure: boolean): SocketTracker {
  const open = new Set<Socket>()
  /** Sockets with a handshake under way, by their peer. */
  const shaking = new Map<string, Socket>()

  function add(socket: Socket): void {
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
      for (const socket of open) if (peerOf(socket) === peerOf(peer)) open.delete(socket)
    },
  }
}

function peerOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`
}
