import { once } from 'node:events'

/** What servers of `node:http` and `node:http2` have in common. */
export interface NetServer {
  /** Whether it accepts connections. */
  readonly listening: boolean
  /** Where it listens. */
  address(): { readonly port: number } | string | null
  /** Stops accepting and calls back once every connection has ended. */
  close(callback: (error?: Error) => void): unknown
  /** Calls `listener` once it accepts connections. */
  once(event: 'listening', listener: () => void): unknown
}

/** Resolves with the port of a server once it listens; with `undefined` if it listens on none. */
export async function portOf(server: NetServer): Promise<number | undefined> {
  if (!server.listening) await once(server as never, 'listening')
  const address = server.address()
  return typeof address === 'object' ? address?.port : undefined
}

/** How often connections that fell idle are ended, in milliseconds. */
const sweepIntervalMs = 20

/** Closes a server, and ends connections as they fall idle: they would else stay for their keep-alive time. */
export async function closeServer(server: NetServer & { closeIdleConnections?(): void }): Promise<void> {
  const sweeper = setInterval(() => server.closeIdleConnections?.(), sweepIntervalMs)
  // An error says that it was closed already.
  await new Promise<void>((resolve) => server.close(() => resolve()))
  clearInterval(sweeper)
}
