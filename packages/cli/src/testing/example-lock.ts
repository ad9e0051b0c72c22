import type { HeldLock, Lock } from '@sd/core'
import { SdError } from '@sd/core'

const held: readonly HeldLock[] = [
  { key: 'nightly-report', value: 'cron-1', token: 12n },
  { key: 'orders/leader', value: 'postgres://u:hidden-canary@orders-0/db', token: 9_007_199_254_740_993n },
]

/** Locks that others hold: it answers only what a command line asks. Real locks are those of etcd in the golden tests. */
export function createExampleLock(): Lock {
  const refuse = (): Promise<never> => Promise.reject(new SdError('SD_DENIED', 'The example is read-only'))
  return {
    name: 'example',
    capabilities: { list: true },
    acquire: refuse,
    tryAcquire: refuse,
    holder: (key) => Promise.resolve(held.find((one) => one.key === key)),
    async *watchHolder(key, { signal } = {}) {
      yield { value: held.find((one) => one.key === key) ?? null }
      if (signal && !signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
    list: (prefix, { limit = 1_000 } = {}) => {
      const found = held.filter(({ key }) => key.startsWith(prefix))
      return Promise.resolve({ locks: found.slice(0, limit), isTruncated: found.length > limit })
    },
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
