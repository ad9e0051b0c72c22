/** Counts open sockets under several keys at once. */
export class SocketCounts {
  readonly #counts = new Map<string, number>()

  /** @param limits by key @returns the key whose limit is reached; then nothing is counted */
  add(limits: ReadonlyMap<string, number>): string | undefined {
    for (const [key, limit] of limits) if ((this.#counts.get(key) ?? 0) >= limit) return key
    for (const key of limits.keys()) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    return undefined
  }

  remove(keys: Iterable<string>): void {
    for (const key of keys) {
      const count = (this.#counts.get(key) ?? 0) - 1
      if (count > 0) this.#counts.set(key, count)
      else this.#counts.delete(key)
    }
  }
}
