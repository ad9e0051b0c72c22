import type { CacheStore } from './store.ts'
import type { PurgeMatch, StoredResponse } from './stored-response.ts'

/** A store whose operations end in time and never fail: a cache that can't be read is empty. */
export class GuardedStore {
  readonly #store: CacheStore
  readonly #limitMs: number
  /** Operations that have failed or were too slow. */
  failures = 0

  constructor(store: CacheStore, limitMs: number) {
    this.#store = store
    this.#limitMs = limitMs
  }

  async get(key: string, now: number): Promise<readonly StoredResponse[]> {
    const stored = await this.#run(() => this.#store.get(key), [])
    // A store of one's own may hash keys or keep responses too long: neither may reach a client.
    return Array.isArray(stored) ? stored.filter((one) => one.key === key && one.keepUntil > now) : []
  }

  put(response: StoredResponse): Promise<boolean> {
    return this.#run(async () => {
      await this.#store.put(response)
      return true
    }, false)
  }

  purge(match: PurgeMatch): Promise<number> {
    return this.#run(() => this.#store.purge(match), 0)
  }

  async close(): Promise<void> {
    await this.#run(() => this.#store.close?.(), undefined)
  }

  async #run<T>(operation: () => T | Promise<T>, otherwise: T): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    try {
      const result = operation()
      if (!(result instanceof Promise)) return result
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('The store is too slow')), this.#limitMs)
      })
      return await Promise.race([result, late])
    } catch {
      this.failures++
      return otherwise
    } finally {
      clearTimeout(timer)
    }
  }
}
