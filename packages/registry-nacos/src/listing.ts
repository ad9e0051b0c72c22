import { abortError, sleep } from '@sd/core'

/** What a server lists, for those who wait for it to catch up with what it has confirmed. */
export interface Listing {
  /** Resolves once the list of a service is as `isWanted` says, or after a while in any case: the server has confirmed the change already. */
  until(service: string, isWanted: (hosts: readonly unknown[]) => boolean, signal: AbortSignal): Promise<void>
}

/** Longest wait, in milliseconds. Official Nacos 2.5 and 3.0 were at most 0.6 s late. */
const longestWaitMs = 2_000
/** Pause between two looks, in milliseconds. */
const pauseMs = 100

interface Waiter {
  readonly isWanted: (hosts: readonly unknown[]) => boolean
  readonly resolve: () => void
}

/** All who wait for one service share one look at a time: a thousand registrations don't read a thousand lists. */
export function createListing(read: (service: string, signal: AbortSignal) => Promise<readonly unknown[]>): Listing {
  const waiting = new Map<string, Set<Waiter>>()

  async function look(service: string, waiters: Set<Waiter>): Promise<void> {
    while (waiters.size > 0) {
      // Who asks during a look is served by the next one, which sees what they wrote.
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
