import type { IncomingMessage, ServerResponse } from 'node:http'

/** What of a server shutting down needs: `node:http`, `node:https`, and what Express's and Fastify's are made of. */
export interface DrainableServer {
  /** Whether it accepts connections. */
  readonly listening: boolean
  /** Where it listens. */
  address(): { readonly port: number } | string | null
  /** Stops accepting and calls back once every connection has ended. */
  close(callback: (error?: Error) => void): unknown
  /** Ends connections without a request. */
  closeIdleConnections(): void
  /** Ends all connections. */
  closeAllConnections(): void
  /** Calls `listener` before others at every request. */
  prependListener(event: 'request', listener: (request: IncomingMessage, response: ServerResponse) => void): unknown
  /** Calls `listener` once it accepts connections. */
  once(event: 'listening', listener: () => void): unknown
  /** Stops calling `listener`. */
  off(event: 'request', listener: (request: IncomingMessage, response: ServerResponse) => void): unknown
}

/** Takes care of a server's connections while it shuts down. */
export interface Drain {
  /** From now on every answer asks its client to leave the connection. */
  begin(): void
  /** Stops accepting and waits for requests under way. @returns whether all ended within the limit; else they were cut */
  finish(timeoutMs: number): Promise<boolean>
}

/** How often connections that fell idle are ended, in milliseconds. */
const sweepIntervalMs = 20

/** Prepares a server for draining. */
export function createDrain(server: DrainableServer): Drain {
  const askToLeave = (_: IncomingMessage, response: ServerResponse): void => {
    if (!response.headersSent) response.setHeader('connection', 'close')
  }
  return {
    begin() {
      server.prependListener('request', askToLeave)
    },
    async finish(timeoutMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // A connection that falls idle from now on would else stay for its keep-alive time.
      const sweeper = setInterval(() => server.closeIdleConnections(), sweepIntervalMs)
      let timer: ReturnType<typeof setTimeout> | undefined
      const cut = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => {
          server.closeAllConnections()
          resolve(false)
        }, timeoutMs)
      })
      const drained = await Promise.race([closed.then(() => true), cut])
      clearInterval(sweeper)
      clearTimeout(timer)
      server.off('request', askToLeave)
      return drained
    },
  }
}
