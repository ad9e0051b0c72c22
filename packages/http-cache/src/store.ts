import type { PurgeMatch, StoredResponse } from './stored-response.ts'

type Awaitable<T> = T | Promise<T>

/**
 * Where responses are stored. The cache limits the time of each operation, and continues without the store when one fails: a
 * failed read is a miss. A store may drop any response at any time.
 */
export interface CacheStore {
  /** All responses under a key, one for each selection. */
  get(key: string): Awaitable<readonly StoredResponse[]>
  /** Stores a response. It replaces the one with the same key and selection; a store keeps a bounded number of selections. */
  put(response: StoredResponse): Awaitable<void>
  /** Removes responses. @returns how many it has removed */
  purge(match: PurgeMatch): Awaitable<number>
  /** Releases what it holds. */
  close?(): Awaitable<void>
}

/** Responses of a key after a new one. The oldest beyond the limit are dropped. */
export function addSelection(stored: readonly StoredResponse[], added: StoredResponse, most: number): StoredResponse[] {
  const identity = JSON.stringify(added.selection)
  return [added, ...stored.filter(({ selection }) => JSON.stringify(selection) !== identity)].slice(0, most)
}
