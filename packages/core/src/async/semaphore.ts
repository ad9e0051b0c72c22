import { abortError } from '../errors.ts'

/** Limits how many callers hold a place at once. The others wait in order of arrival. */
export interface Semaphore {
  /**
   * Waits for a place. @returns a function that releases it; call it once @throws SdError `SD_ABORTED` if the signal
   * aborts first
   */
  acquire(signal: AbortSignal): Promise<() => void>
  /**
   * Runs `operation` while holding a place. @throws SdError `SD_ABORTED` if the signal aborts during the wait; otherwise
   * what `operation` throws
   */
  run<T>(signal: AbortSignal, operation: () => Promise<T>): Promise<T>
}

/** Creates a semaphore. Its queue is bounded only by the callers' signals, so give each call a time limit. */
export function createSemaphore(places: number): Semaphore {
  const waiting = new Set<() => void>()
  let free = places

  /** Passes the place to the caller that has waited longest. */
  function release(): void {
    const [next] = waiting
    if (next) next()
    else free++
  }

  function acquire(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'waiting in the queue'))
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
        reject(abortError(signal, 'waiting in the queue'))
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
