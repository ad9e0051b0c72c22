import type { Socket } from 'node:net'
import { asListener, type EmittingServer } from './net-server.ts'

/** The sockets of a server, as its application sees them: over TLS those in the clear. */
export interface SocketTracker {
  /** Open sockets, with the time at which each was opened, by `performance.now()`. */
  readonly open: ReadonlyMap<Socket, number>
}

/**
 * Follows the sockets of a server from now on; those that are older it does not know.
 *
 * @param isSecure whether they speak TLS: then a socket is replaced by the one in the clear once the handshake is over
 */
export function trackSockets(server: EmittingServer, isSecure: boolean): SocketTracker {
  const open = new Map<Socket, number>()
  /** Sockets with a handshake under way, by their peer. */
  const shaking = new Map<string, Socket>()

  function add(socket: Socket): void {
    open.set(socket, performance.now())
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
  return { open }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
