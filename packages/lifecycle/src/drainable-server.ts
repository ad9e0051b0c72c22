import type { OpenWork } from './open-work.ts'

/** What lifecycle does with a server. Implement it for a kind that it does not know; the others are recognised by their methods. */
export interface DrainableServer {
  /** Resolves once it accepts connections, with its port, or with `undefined` if only `instance.port` can tell. */
  whenListening(): Promise<number | undefined>
  /** Called when the instance leaves the registry: from now on asks clients to go elsewhere, and serves them all the same. */
  beginDrain?(): void
  /** Called when callers know: accepts no new connections, and resolves once all requests under way have ended. */
  finishDrain(): Promise<void>
  /** What is still open: read at `drainTimeoutMs`, for the report. Without it the report has no numbers. */
  remaining?(): OpenWork
  /** Called if that took longer than `drainTimeoutMs`: cuts what is left. */
  destroy(): void | Promise<void>
}
