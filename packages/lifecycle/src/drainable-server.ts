import type { OpenWork } from './open-work.ts'

/**
 * The operations of a server that a lifecycle uses. Implement it for an unknown kind of server; known kinds are detected by
 * their methods.
 */
export interface DrainableServer {
  /** Resolves with the port once the server accepts connections, or with `undefined` if only `instance.port` has the port. */
  whenListening(): Promise<number | undefined>
  /** Called when the instance leaves the registry. From now on, asks clients to leave, but still serves them. */
  beginDrain?(): void
  /**
   * Called when callers know that the instance is leaving. Accepts no new connections, and resolves once all requests have
   * ended.
   */
  finishDrain(): Promise<void>
  /** Open work, read at `drainTimeoutMs` for the report. Without it the report has no numbers. */
  remaining?(): OpenWork
  /** Called if draining takes longer than `drainTimeoutMs` or fails. Closes all remaining connections. */
  destroy(): void | Promise<void>
}
