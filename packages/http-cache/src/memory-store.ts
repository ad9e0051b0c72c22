import { checkInteger, checkKnownKeys } from '@sd/core'
import { LRUCache } from 'lru-cache'
import { addSelection, type CacheStore } from './store.ts'
import { isPurged, type PurgeMatch, type StoredResponse } from './stored-response.ts'

/** Options of {@link createMemoryStore}. */
export interface MemoryStoreOptions {
  /** Most bytes of all responses, with their fields. The least recently used are dropped. @default 67_108_864 (64 MiB) */
  readonly maxBytes?: number
  /** Most keys. @default 10_000 */
  readonly maxEntries?: number
  /** Most responses of one key, one for each selection by `vary`. @default 16 */
  readonly maxSelections?: number
}

/** A {@link CacheStore} in the memory of this process. */
export interface MemoryStore extends CacheStore {
  /** As in {@link CacheStore}, without a promise. */
  get(key: string): readonly StoredResponse[]
  /** As in {@link CacheStore}, without a promise. */
  put(response: StoredResponse): void
  /** As in {@link CacheStore}, without a promise. */
  purge(match: PurgeMatch): number
  /** What is stored now. `evictions` counts responses that were dropped for space. */
  readonly stats: { readonly entries: number; readonly bytes: number; readonly evictions: number }
}

/** What a response occupies besides its texts and its body, in bytes; approximate. */
const overhead = 512

/** Creates a store in memory. Purges by prefix or tag visit all keys. @throws SdError `SD_INVALID` that names the option */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  checkKnownKeys('', options, ['maxBytes', 'maxEntries', 'maxSelections'])
  const max = { max: Number.MAX_SAFE_INTEGER }
  const maxBytes = checkInteger('maxBytes', options.maxBytes ?? 67_108_864, { min: 1_024, ...max })
  const maxEntries = checkInteger('maxEntries', options.maxEntries ?? 10_000, { min: 1, max: 10_000_000 })
  const maxSelections = checkInteger('maxSelections', options.maxSelections ?? 16, { min: 1, max: 1_000 })
  let evictions = 0
  const entries = new LRUCache<string, readonly StoredResponse[]>({
    max: maxEntries,
    maxSize: maxBytes,
    sizeCalculation: (responses) => responses.reduce((sum, response) => sum + sizeOf(response), 0),
    dispose: (responses, _, reason) => {
      if (reason === 'evict') evictions += responses.length
    },
  })
  return {
    get: (key) => entries.get(key) ?? [],
    put(response) {
      const others = entries.peek(response.key)?.filter(({ keepUntil }) => keepUntil > response.receivedAt) ?? []
      entries.set(response.key, addSelection(others, response, maxSelections))
    },
    purge(match) {
      const keys = 'key' in match ? [match.key] : [...entries.keys()]
      return keys.reduce((sum, key) => sum + purgeKey(entries, key, match), 0)
    },
    close: () => entries.clear(),
    get stats() {
      return { entries: entries.size, bytes: entries.calculatedSize, evictions }
    },
  }
}

function purgeKey(entries: LRUCache<string, readonly StoredResponse[]>, key: string, match: PurgeMatch): number {
  const responses = entries.peek(key) ?? []
  const kept = responses.filter((response) => !isPurged(match, response))
  if (kept.length === responses.length) return 0
  if (kept.length === 0) entries.delete(key)
  else entries.set(key, kept)
  return responses.length - kept.length
}

function sizeOf({ key, rawHeaders, rawTrailers, body }: StoredResponse): number {
  const texts = [key, ...rawHeaders, ...rawTrailers].reduce((sum, text) => sum + 2 * text.length, 0)
  return overhead + texts + body.byteLength
}
