import { createSemaphore, type Semaphore } from '@sd/core'

/** Lets one at a time contend for a key: Consul would give a lock to a session that has it already. */
export interface LocalQueue {
  /** Whether somebody of this client has the turn of a key. */
  isBusy(key: string): boolean
  /** Waits for the turn. @returns a function that ends it; idempotent @throws SdError `SD_ABORTED` */
  enter(key: string, signal: AbortSignal): Promise<() => void>
}

/** Makes queues, each for as long as somebody is in it. */
export function createLocalQueue(): LocalQueue {
  const queues = new Map<string, { readonly semaphore: Semaphore; users: number }>()
  return {
    isBusy: (key) => queues.has(key),
    async enter(key, signal) {
      const queue = queues.get(key) ?? { semaphore: createSemaphore(1), users: 0 }
      queues.set(key, queue)
      queue.users++
      let isIn = true
      let release: (() => void) | undefined
      function leave(): void {
        if (!isIn) return
        isIn = false
        queue.users--
        if (queue.users === 0) queues.delete(key)
        release?.()
      }
      try {
        release = await queue.semaphore.acquire(signal)
        return leave
      } catch (error) {
        leave()
        throw error
      }
    },
  }
}
