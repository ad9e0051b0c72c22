import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Called with the arguments of an event. */
export type EventListener = (...values: unknown[]) => void

/** The part of an event emitter that draining uses. */
export interface EmittingServer {
  /** Number of listeners. */
  listenerCount(event: string): number
  /** Adds a listener. */
  on(event: string, listener: EventListener): unknown
  /** Adds a listener that is called before the others. */
  prependListener(event: string, listener: EventListener): unknown
  /** Removes a listener. */
  off(event: string, listener: EventListener): unknown
}

/** The common part of `node:http` and `node:http2` servers. */
export interface NetServer extends EmittingServer {
  /** Whether it accepts connections. */
  readonly listening: boolean
  /** The address on which it listens. */
  address(): { readonly port: number } | string | null
  /** Stops accepting connections, and calls back once all connections have ended. */
  close(callback: (error?: Error) => void): unknown
  /** Calls `listener` once it accepts connections. */
  once(event: 'listening', listener: () => void): unknown
}

/** Converts a listener whose arguments are known to an {@link EventListener}. */
export function asListener<Values extends unknown[]>(listener: (...values: Values) => void): EventListener {
  return listener as EventListener
}

/** Resolves with the port of a server once it listens; with `undefined` if it has none. */
export async function portOf(server: NetServer): Promise<number | undefined> {
  if (!server.listening) await once(server as never, 'listening')
  const address = server.address()
  return typeof address === 'object' ? address?.port : undefined
}

/** The system keeps 511 connections for a server, and Node.js accepts one in each turn of the event loop. */
const turnsToAccept = 512

/**
 * Accepts the connections that the system has accepted already. After a standstill the end of a delay is due before they
 * are, and a server that stops then resets them.
 */
export async function acceptWaiting(): Promise<void> {
  for (let turn = 0; turn < turnsToAccept; turn++) await nextTurn()
}

/** Stops accepting connections, and resolves once all connections have ended. */
export function closeServer(server: NetServer): Promise<void> {
  // An error means that the server was already closed.
  return new Promise((resolve) => server.close(() => resolve()))
}

/** How often idle connections are closed, in milliseconds. */
const sweepIntervalMs = 20

/**
 * Waits for `stopped` and closes connections when they become idle: otherwise they would stay open for their keep-alive
 * time. The first sweep is delayed, so that the application's own close handlers run first.
 */
export async function sweepUntil(stopped: Promise<unknown>, sweep: () => void): Promise<void> {
  const sweeper = setInterval(sweep, sweepIntervalMs)
  try {
    await stopped
  } finally {
    clearInterval(sweeper)
  }
}
