/** Time after its start within which an API server may not know the permissions, in milliseconds. */
const startLimitMs = 30_000

/** Tracks when requests and watches were last accepted, refused and lost, by `performance.now()`. */
export class ServerHistory {
  #acceptedAt = Number.NEGATIVE_INFINITY
  /** The server may have restarted at this time. */
  #lostAt = Number.NEGATIVE_INFINITY
  /** The current series of refusals, each shortly after the previous one. */
  #refusals = { from: 0, to: Number.NEGATIVE_INFINITY }

  noteAccepted(): void {
    this.#acceptedAt = performance.now()
  }

  noteLost(): void {
    this.#lostAt = performance.now()
  }

  noteRefused(): void {
    const now = performance.now()
    const isFirst = now - this.#refusals.to > startLimitMs || this.#lostAt > this.#refusals.to
    this.#refusals = { from: isFirst ? now : this.#refusals.from, to: now }
  }

  /**
   * Whether a refusal can't be that of a starting server: a request was accepted since the last loss, or refusals have
   * lasted.
   */
  get isRefusalFinal(): boolean {
    return this.#acceptedAt > this.#lostAt || this.#refusals.to - this.#refusals.from > startLimitMs
  }
}
