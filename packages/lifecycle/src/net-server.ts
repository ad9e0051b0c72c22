import { once } from 'node:events'

/** Called with the values of an event. */
export type EventListener = (...values: unknown[]) => void

/** What of events draining needs. */
export interface EmittingServer {
  /** Number of listeners. */
  listenerCount(event: string): number
  /** Calls `listener` at every event. */
  on(event: string, listener: EventListener): unknown
  /** Calls `listener` at every event, before others. */
  prependListener(event: string, listener: EventListener): unknown
  /** Stops calling `listener`. */
  off(event: string, listener: EventListener): unknown
}

/** What servers of `node:http` and `node:http2` have in common. */
export interface NetServer extends EmittingServer {
  /** Whether it accepts connections. */
  readonly listening: boolean
  /** Where it listens. */
  address(): { readonly port: number } | string | null
  /** Stops accepting and calls back once every connection has ended. */
  close(callback: (error?: Error) => void): unknown
  /** Calls `listener` once it accepts connections. */
  once(event: 'listening', listener: () => void): unknown
}

/** A listener of an event whose values are known. */
export function asListener<Values extends unknown[]>(listener: (...values: Values) => void): EventListener {
  return listener as EventListener
}

/** Resolves with the port of a server once it listens; with `undefined` if it listens on none. */
export async function portOf(server: NetServer): Promise<number | undefined> {
  if (!server.listening) await once(server as never, 'listening')
  const address = server.address()
  return typeof address === 'object' ? address?.port : undefined
}

/** Stops accepting, and resolves once every connection has ended. */
export function closeServer(server: NetServer): Promise<void> {
  // An error says that it was closed already.
  return new Promise((resolve) => server.close(() => resolve()))
}

/** How often connections that fell idle are ended, in milliseconds. */
const sweepIntervalMs = 20

/**
 * Waits for `stopped`, and ends connections as they fall idle: they would else stay for their keep-alive time. The first sweep comes a
 * moment later, so that what the application itself does at its end comes before.
 */
export async function sweepUntil(stopped: Promise<unknown>, sweep: () => void): Promise<void> {
  const sweeper = setInterval(sweep, sweepIntervalMs)
  try {
    await stopped
  } finally {
    clearInterval(sweeper)
  }
}
