/** Runs the operations of each key one at a time. */
export interface KeyedQueue {
  /** Runs `operation` after everything that was asked for the same key before; other keys do not wait. A failure stops nobody. */
  run<T>(key: string, operation: () => Promise<T>): Promise<T>
  /** Resolves once nothing runs or waits any more, including what is asked for until then. Never rejects. */
  idle(): Promise<void>
}

/**
 * Makes a queue per key. Whoever owns the order of what is written under one name on a backend uses one: the writes arrive in the
 * order of the calls, however long each takes, and closing can wait for those that are still under way.
 */
export function createKeyedQueue(): KeyedQueue {
  const tails = new Map<string, Promise<unknown>>()
  return {
    run(key, operation) {
      const turn = (tails.get(key) ?? Promise.resolve()).then(operation)
      const tail: Promise<unknown> = turn
        .catch(() => undefined)
        .then(() => {
          if (tails.get(key) === tail) tails.delete(key)
        })
      tails.set(key, tail)
      return turn
    },
    async idle() {
      while (tails.size > 0) await Promise.all(tails.values())
    },
  }
}
