/** Runs updates one at a time. */
export interface UpdateQueue {
  /** Runs `update` after all earlier ones have settled. @returns its result */
  run<T>(update: () => Promise<T>): Promise<T>
  /** Resolves once every update so far has settled. */
  idle(): Promise<void>
}

/** Creates an empty queue. */
export function createUpdateQueue(): UpdateQueue {
  let tail: Promise<unknown> = Promise.resolve()
  return {
    run(update) {
      const result = tail.then(update)
      tail = result.catch(() => undefined)
      return result
    },
    async idle() {
      await tail
    },
  }
}
