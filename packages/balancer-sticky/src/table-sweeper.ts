import type { SessionTable } from './session-table.ts'

/** How many times within the timeout all tables are looked at. */
const sweepsPerTimeout = 4

/**
 * Ends the sessions of services that nobody calls any more. It runs on the calls of other services: no timer keeps anything alive, and
 * a process without any call grows no table either. Tables are held weakly: that of a detached balancer goes with its picker.
 */
export class TableSweeper {
  readonly #intervalMs: number
  readonly #tables = new Set<WeakRef<SessionTable>>()
  #nextAt = Number.NEGATIVE_INFINITY

  constructor(timeoutMs: number) {
    this.#intervalMs = timeoutMs / sweepsPerTimeout
  }

  /** Follows a table. @returns the table */
  add(table: SessionTable): SessionTable {
    this.#tables.add(new WeakRef(table))
    return table
  }

  /** Sweeps all tables if it is time. */
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
