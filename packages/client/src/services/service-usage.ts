/** Maximum number of retired settings of one service whose calls have not ended; above it the oldest are closed at once. */
const maxRetired = 100

/** Number of calls in progress with one set of a service's settings. */
export class Usage {
  /** Calls in progress. */
  calls = 0
  #onIdle: (() => void) | undefined

  /** A call begins. */
  readonly enter = (): void => {
    this.calls++
  }

  /** A call has ended. */
  readonly leave = (): void => {
    this.calls--
    if (this.calls === 0) this.#onIdle?.()
  }

  /** No further call begins: `onIdle` is called when the last one has ended. */
  retire(onIdle: () => void): void {
    this.#onIdle = onIdle
  }
}

interface Retired<T> {
  readonly usage: Usage
  readonly retiredAt: number
  readonly value: T
}

/**
 * Replaced settings that calls in progress may still use. Parts of a set can also be in later ones, so a set is closed
 * after all those before it, and receives the later ones.
 */
export class RetiredSets<T> {
  readonly #retired: Retired<T>[] = []
  readonly #close: (value: T, later: readonly T[]) => void

  constructor(close: (value: T, later: readonly T[]) => void) {
    this.#close = close
  }

  /** Number of sets that calls still use. */
  get size(): number {
    return this.#retired.length
  }

  /** Closes a set once its calls, and those of the sets before it, have ended. */
  add(usage: Usage, value: T): void {
    this.#retired.push({ usage, value, retiredAt: performance.now() })
    usage.retire(() => this.#closeIdle())
    this.#closeIdle()
    if (this.#retired.length > maxRetired) this.#closeFirst()
  }

  /** Closes sets that were retired before a time by `performance.now()`, even if calls use them. */
  closeBefore(time: number): void {
    while (this.#retired[0] && this.#retired[0].retiredAt < time) this.#closeFirst()
  }

  #closeIdle(): void {
    while (this.#retired[0]?.usage.calls === 0) this.#closeFirst()
  }

  #closeFirst(): void {
    const first = this.#retired.shift()
    if (first)
      this.#close(
        first.value,
        this.#retired.map(({ value }) => value),
      )
  }
}
