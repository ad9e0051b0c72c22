const mostTickMs = 1_000

/** What is checked at intervals. */
export interface Swept {
  /** @param now by `performance.now()` */
  check(now: number): void
}

/** One timer for all connections: a timer each would cost more than what it limits. */
export class Sweeper {
  readonly #entries = new Set<Swept>()
  #tickMs = mostTickMs
  #timer: NodeJS.Timeout | undefined

  get size(): number {
    return this.#entries.size
  }

  /** @param limitsMs limits that the entry checks; 0 for none */
  add(entry: Swept, limitsMs: readonly number[]): void {
    this.#entries.add(entry)
    const tickMs = Math.max(10, Math.min(mostTickMs, ...limitsMs.filter((limitMs) => limitMs > 0).map((limitMs) => limitMs / 4)))
    if (this.#timer && tickMs >= this.#tickMs) return
    clearInterval(this.#timer)
    this.#tickMs = tickMs
    // What has arrived is read first: after a standstill of this process everything would look late.
    this.#timer = setInterval(() => setImmediate(() => this.#sweep()), tickMs).unref()
  }

  delete(entry: Swept): void {
    this.#entries.delete(entry)
    if (this.#entries.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#tickMs = mostTickMs
  }

  #sweep(): void {
    const now = performance.now()
    for (const entry of this.#entries) entry.check(now)
  }
}
