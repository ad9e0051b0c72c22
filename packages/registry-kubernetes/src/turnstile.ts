import { abortError } from '@sd/core'

/** Lets only so many operations through at once; the others wait in the order in which they came. */
export interface Turnstile {
  /** Runs `operation` when it is its turn. @throws SdError `SD_ABORTED` if `signal` fires before, else what `operation` throws */
  pass<T>(signal: AbortSignal, operation: () => Promise<T>): Promise<T>
}

/** Makes a {@link Turnstile}. Who waits has a signal with a limit in time, which bounds the queue. */
export function createTurnstile(limit: number): Turnstile {
  const waiting = new Set<() => void>()
  let inside = 0

  function enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(abortError(signal, 'a request'))
    if (inside < limit) {
      inside++
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      function onAbort(): void {
        waiting.delete(proceed)
        reject(abortError(signal, 'a request'))
      }
      function proceed(): void {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      waiting.add(proceed)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Hands the place over to who waits longest. */
  function leave(): void {
    const [next] = waiting
    if (next === undefined) {
      inside--
      return
    }
    waiting.delete(next)
    next()
  }

  return {
    async pass(signal, operation) {
      await enter(signal)
      try {
        return await operation()
      } finally {
        leave()
      }
    },
  }
}
