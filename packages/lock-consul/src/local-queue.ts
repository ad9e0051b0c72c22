import { createSemaphore, type Semaphore } from '@sd/core'

/**
 * Serializes the callers of this client for each key, because Consul grants a lock to the session that already holds
 * it.
 */
export interface LocalQueue {
  /** Whether a caller of this client has its turn for a key. */
  isBusy(key: string): boolean
  /** Waits for the turn. @returns a function that ends it; idempotent @throws SdError `SD_ABORTED` */
  enter(key: string, signal: AbortSignal): Promise<() => void>
}

/** Creates the queues. A queue exists while it has callers. */
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
