import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

/** Destination of a connection of undici. */
interface Destination {
  readonly hostname: string
  readonly port: string
  readonly protocol: string
  readonly servername?: string | null
}

/** Opens one connection for undici. */
export type Connector = (to: Destination, done: (error: Error | null, socket: Socket | null) => void) => void

/** All connections to the API server, so that they can be closed at once. */
export interface Sockets {
  /** Returns a connector that uses these certificates. */
  connector(options: ConnectionOptions): Connector
  /** Destroys all connections, including those that are being opened, for which undici and the process would wait. */
  close(): void
}

/**
 * Creates connections over HTTP/1.1. With HTTP/2 a watch and all other requests would share one connection, and fail
 * together.
 *
 * @param timeoutMs time limit for opening a connection
 */
export function createSockets(timeoutMs: number): Sockets {
  const sockets = new Set<Socket>()
  let closed = false

  function open({ hostname: host, port, protocol, servername }: Destination, options: ConnectionOptions): Socket {
    if (protocol === 'http:') return connectTcp({ host, port: Number(port || 80) })
    const name = options.servername ?? servername
    const http = { ALPNProtocols: ['http/1.1'], host, port: Number(port || 443) }
    return connectTls({ ...options, ...http, ...(name && { servername: name }) })
  }

  return {
    connector: (options) => (to, done) => {
      if (closed) return done(new Error('closed'), null)
      const socket = open(to, options)
      sockets.add(socket)
      socket.setKeepAlive(true, 30_000)
      const timer = setTimeout(() => {
        socket.destroy(Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }))
      }, timeoutMs)
      const fail = (error: Error): void => done(error, null)
      socket.once('error', fail)
      socket.once('close', () => {
        clearTimeout(timer)
        sockets.delete(socket)
      })
      socket.once(to.protocol === 'http:' ? 'connect' : 'secureConnect', () => {
        clearTimeout(timer)
        socket.off('error', fail)
        done(null, socket)
      })
    },
    close() {
      closed = true
      for (const socket of sockets) socket.destroy(new Error('closed'))
    },
  }
}
