import type { Socket } from 'node:net'
import { asListener, type EmittingServer } from './net-server.ts'

/** Identifies a connection. */
type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>

/** The sockets of a server as its application sees them: with TLS, the decrypted ones. */
export interface SocketTracker {
  /** Open sockets. */
  readonly open: ReadonlySet<Socket>
  /**
   * Excludes the sockets of a peer, including later ones, because something else tracks them.
   *
   * @returns a function that ends the exclusion
   */
  leaveOut(peer: Peer): () => void
}

/**
 * Tracks the sockets that a server accepts from now on. Existing ones are unknown.
 *
 * @param isSecure whether they use TLS; then a raw socket is replaced by the decrypted one after the handshake
 */
export function trackSockets(server: EmittingServer, isSecure: boolean): SocketTracker {
  const open = new Set<Socket>()
  const leftOut = new Set<string>()
  /** Sockets with a handshake in progress, by peer. */
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
