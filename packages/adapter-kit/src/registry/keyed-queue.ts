/** Runs the operations of each key one at a time. */
export interface KeyedQueue {
  /**
   * Runs `operation` after all earlier operations with the same key; other keys do not wait. A failure does not affect
   * later operations.
   */
  run<T>(key: string, operation: () => Promise<T>): Promise<T>
  /** Resolves when no operation is running or waiting, including those added in the meantime. Never rejects. */
  idle(): Promise<void>
}

/**
 * Creates a queue per key. Use it where the order of writes under one name matters: writes reach the backend in the order
 * of the calls, however long each takes, and closing can wait for pending writes.
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
