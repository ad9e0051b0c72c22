import type { SessionTable } from './session-table.ts'

/** Number of sweeps over all tables per timeout. */
const sweepsPerTimeout = 4

/**
 * Ends the sessions of services that are no longer called. It runs on calls of other services, so no timer keeps the
 * process alive, and without calls no table grows. Tables are held weakly: the table of a detached balancer is collected
 * with its picker.
 */
export class TableSweeper {
  readonly #intervalMs: number
  readonly #tables = new Set<WeakRef<SessionTable>>()
  #nextAt = Number.NEGATIVE_INFINITY

  constructor(timeoutMs: number) {
    this.#intervalMs = timeoutMs / sweepsPerTimeout
  }

  /** Adds a table. @returns the table */
  add(table: SessionTable): SessionTable {
    this.#tables.add(new WeakRef(table))
    return table
  }

  /** Sweeps all tables if a sweep is due. */
  sweep(now: number): void {
    if (now < this.#nextAt) return
    this.#nextAt = now + this.#intervalMs
    for (const reference of this.#tables) {
      const table = reference.deref()
      if (table) table.expire(now)
      else this.#tables.delete(reference)
    }
  }
}
