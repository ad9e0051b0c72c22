import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { asListener, type EmittingServer } from './net-server.ts'

/** Sockets that were upgraded from HTTP. Node does not track them: `closeAllConnections()` leaves them open. */
export interface UpgradedSockets {
  /** Open sockets. */
  readonly open: ReadonlySet<Duplex>
  /** Sends a close frame to every WebSocket that has not received one yet. */
  sendGoingAway(): void
  /** Destroys all sockets. */
  destroy(): void
}

/** A close frame from a server with status 1001: RFC 6455, sections 5.5.1 and 7.4.1. */
const goingAwayFrame = Buffer.from([0x88, 0x02, 0x03, 0xe9])

/**
 * Tracks upgraded sockets from now on. The application still decides about upgrades: without its listener, Node treats them
 * as plain requests.
 */
export function trackUpgrades(server: EmittingServer): UpgradedSockets {
  const open = new Set<Duplex>()
  const unnotified = new Set<Duplex>()
  const listening = new Set<'upgrade' | 'connect'>()

  function note({ headers }: { readonly headers: IncomingHttpHeaders }, socket: Duplex): void {
    open.add(socket)
    if (headers.upgrade?.toLowerCase() === 'websocket') unnotified.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      unnotified.delete(socket)
    })
  }
  const noteListener = asListener(note)
  function follow(event: 'upgrade' | 'connect'): void {
    if (listening.has(event)) return
    listening.add(event)
    server.prependListener(event, noteListener)
  }

  for (const event of ['upgrade', 'connect'] as const) if (server.listenerCount(event) > 0) follow(event)
  server.on('newListener', (event) => {
    if (event === 'upgrade' || event === 'connect') follow(event)
  })
  server.on('removeListener', (event) => {
    // A remaining listener of ours alone would accept upgrades that nothing handles.
    if ((event === 'upgrade' || event === 'connect') && listening.has(event) && server.listenerCount(event) === 1) {
      listening.delete(event)
      server.off(event, noteListener)
    }
  })

  return {
    open,
    sendGoingAway() {
      for (const socket of unnotified) if (socket.writable) socket.write(goingAwayFrame)
      unnotified.clear()
    },
    destroy() {
      for (const socket of open) socket.destroy()
    },
  }
}
