import { abortError } from '@sd/core'

/** A number of places, and a queue for them: first come, first served. */
export interface Slots {
  /** Waits for a place. @returns a function that gives it back @throws SdError `SD_ABORTED` when the signal fires first */
  acquire(signal: AbortSignal): Promise<() => void>
}

/** Makes `count` places. */
export function createSlots(count: number): Slots {
  let free = count
  const queue = new Set<() => void>()

  function release(): void {
    const [next] = queue
    if (next) next()
    else free++
  }

  return {
    acquire(signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(abortError(signal, 'wait for a connection'))
        function enter(): void {
          queue.delete(enter)
          signal.removeEventListener('abort', leave)
          resolve(release)
        }
        function leave(): void {
          queue.delete(enter)
          reject(abortError(signal, 'wait for a connection'))
        }
        if (free > 0) {
          free--
          return resolve(release)
        }
        queue.add(enter)
        signal.addEventListener('abort', leave, { once: true })
      })
    },
  }
}
