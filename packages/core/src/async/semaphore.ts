import { abortError } from '../errors.ts'

/** Lets only so many in at once; the others wait in the order in which they came. */
export interface Semaphore {
  /** Waits for a place. @returns a function that gives it back, to be called once @throws SdError `SD_ABORTED` when the signal fires first */
  acquire(signal: AbortSignal): Promise<() => void>
  /** Runs `operation` in a place. @throws SdError `SD_ABORTED` when the signal fires while it waits, else what `operation` throws */
  run<T>(signal: AbortSignal, operation: () => Promise<T>): Promise<T>
}

/** Makes a semaphore. The signals of those who wait bound its queue: give each a limit in time. */
export function createSemaphore(places: number): Semaphore {
  const waiting = new Set<() => void>()
  let free = places

  /** Hands the place over to who has waited longest. */
  function release(): void {
    const [next] = waiting
    if (next) next()
    else free++
  }

  function acquire(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'waiting in line'))
      if (free > 0) {
        free--
        return resolve(release)
      }
      function enter(): void {
        waiting.delete(enter)
        signal.removeEventListener('abort', leave)
        resolve(release)
      }
      function leave(): void {
        waiting.delete(enter)
        reject(abortError(signal, 'waiting in line'))
      }
      waiting.add(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  return {
    acquire,
    async run(signal, operation) {
      const leave = await acquire(signal)
      try {
        return await operation()
      } finally {
        leave()
      }
    },
  }
}
