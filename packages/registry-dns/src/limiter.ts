/** Lets so many operations run at once; the others wait for their turn, in order. */
export type Limiter = <T>(signal: AbortSignal, run: () => Promise<T>) => Promise<T>

/** Makes a limiter. Who waits and gives up, by its signal, leaves the queue. */
export function createLimiter(limit: number): Limiter {
  const waiting = new Set<() => void>()
  let running = 0

  function enter(signal: AbortSignal): Promise<void> | undefined {
    if (running < limit) {
      running++
      return undefined
    }
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        waiting.delete(start)
        reject(signal.reason)
      }
      waiting.add(start)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  function next(): void {
    const [start] = waiting
    if (start) {
      waiting.delete(start)
      start()
    } else {
      running--
    }
  }

  return async (signal, run) => {
    signal.throwIfAborted()
    await enter(signal)
    try {
      return await run()
    } finally {
      next()
    }
  }
}
