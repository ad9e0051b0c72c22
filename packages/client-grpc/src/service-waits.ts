/** Tells calls that wait for an instance that there may be one now, by service. */
export class ServiceWaits {
  readonly #waiting = new Map<string, Set<() => void>>()

  /** Waits for the next change. @returns a function that ends the wait */
  wait(service: string, onChange: () => void): () => void {
    const known = this.#waiting.get(service) ?? new Set()
    this.#waiting.set(service, known)
    known.add(onChange)
    return () => {
      known.delete(onChange)
      if (known.size === 0 && this.#waiting.get(service) === known) this.#waiting.delete(service)
    }
  }

  /** Ends the waits for a service: who still has nothing waits again. */
  tell(service: string): void {
    const known = this.#waiting.get(service)
    if (!known) return
    this.#waiting.delete(service)
    for (const onChange of known) onChange()
  }

  /** Ends all waits. */
  tellAll(): void {
    for (const service of [...this.#waiting.keys()]) this.tell(service)
  }
}
