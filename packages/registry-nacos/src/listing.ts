import { abortError, sleep } from '@sd/core'

/** Waits until a server lists a change that it has confirmed. */
export interface Listing {
  /**
   * Resolves once `isWanted` accepts the list of the service, or after a time limit, because the server has already
   * confirmed the change.
   */
  until(service: string, isWanted: (hosts: readonly unknown[]) => boolean, signal: AbortSignal): Promise<void>
}

/** Longest wait, in milliseconds. Official Nacos 2.5 and 3.0 took at most 0.6 s. */
const longestWaitMs = 2_000
/** Pause between two reads, in milliseconds. */
const pauseMs = 100

interface Waiter {
  readonly isWanted: (hosts: readonly unknown[]) => boolean
  readonly resolve: () => void
}

/**
 * All waiters for one service share one read at a time, so that a thousand registrations do not read a thousand lists.
 */
export function createListing(read: (service: string, signal: AbortSignal) => Promise<readonly unknown[]>): Listing {
  const waiting = new Map<string, Set<Waiter>>()

  async function look(service: string, waiters: Set<Waiter>): Promise<void> {
    while (waiters.size > 0) {
      // A waiter that arrives during a read is served by the next one, which includes its write.
      const asked = [...waiters]
      const hosts = await read(service, AbortSignal.timeout(longestWaitMs)).catch(() => undefined)
      for (const waiter of asked) if (hosts && waiter.isWanted(hosts)) waiter.resolve()
      if (waiters.size > 0) await sleep(pauseMs)
    }
    waiting.delete(service)
  }

  return {
    until(service, isWanted, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(abortError(signal, 'waiting for the list'))
        const known = waiting.get(service)
        const waiters = known ?? new Set<Waiter>()
        const finish = (): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', finish)
          waiters.delete(waiter)
          resolve()
        }
        const waiter: Waiter = { isWanted, resolve: finish }
        const timer = setTimeout(finish, longestWaitMs)
        signal.addEventListener('abort', finish, { once: true })
        waiters.add(waiter)
        if (known) return
        waiting.set(service, waiters)
        void look(service, waiters)
      })
    },
  }
}
