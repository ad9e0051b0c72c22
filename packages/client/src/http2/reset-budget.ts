/**
 * Streams of a connection that may be reset at once, and how many more in each second. Servers end connections with many resets
 * (CVE-2023-44487): nghttp2 and Node.js after 1,000 and 33 per second, Envoy after 500. The streams that are open when this is
 * used up may be reset too.
 */
const burst = 200
const perSecond = 10

/** Counts the streams of a connection that were reset before their end. */
export class ResetBudget {
  #used = 0
  #at = 0

  /** @returns whether the budget is used up */
  use(now: number): boolean {
    this.#used = Math.max(0, this.#used - ((now - this.#at) / 1_000) * perSecond) + 1
    this.#at = now
    return this.#used > burst
  }
}
