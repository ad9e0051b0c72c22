import type { Socket } from 'node:net'
import type { GatewayConnection } from '../listener/connection.ts'
import type { GatewayFront } from './stream-protocol.ts'

/** A connection that a protocol serves. */
export interface ServedConnection {
  /** The gateway drains, and half of its time has passed: asks the peers to end, as by closing the sides that are written to. */
  end(): void
}

/**
 * Creates the front of a protocol that has no requests: counts its connections, and drains them. After half of the time they are
 * asked to end, and those that have not ended after all of it are cut.
 *
 * @param serve takes over a connection; the socket is paused, and allows that one side ends before the other
 */
export function createConnectionFront(
  protocol: string,
  serve: (socket: Socket, connection: GatewayConnection) => ServedConnection,
): GatewayFront {
  const open = new Map<Socket, ServedConnection>()
  let isEnding = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let onEmpty: (() => void) | undefined

  function end(): void {
    isEnding = true
    for (const served of open.values()) served.end()
  }

  return {
    protocol,
    requests: 0,
    get connections() {
      return open.size
    },
    accept(socket, connection) {
      socket.pause()
      socket.allowHalfOpen = true
      const served = serve(socket, connection)
      open.set(socket, served)
      socket.once('close', () => {
        open.delete(socket)
        if (open.size > 0) return
        clearTimeout(timer)
        onEmpty?.()
      })
      if (isEnding) served.end()
    },
    beginDrain() {},
    finish(limitMs) {
      if (open.size === 0) return Promise.resolve()
      timer ??= setTimeout(end, limitMs / 2)
      return new Promise((resolve) => {
        onEmpty = resolve
      })
    },
    destroy() {
      clearTimeout(timer)
      for (const socket of open.keys()) socket.destroy()
    },
  }
}
