import { checkFunction, checkInteger, checkKnownKeys, checkObject } from '@sd/core'
import type { Coordinates, GeoLookup } from './coordinates.ts'

/** Options of {@link createCachedLookup}. */
export interface CachedLookupOptions {
  /** The lookup to cache. */
  readonly lookup: GeoLookup
  /** Maximum number of cached results, from 2; the least recently used one is dropped first. @default 10_000 */
  readonly maxEntries?: number | undefined
}

/** A lookup with a cache. */
export interface CachedLookup extends GeoLookup {
  /** Number of cached results. */
  readonly size: number
  /** Removes all cached results. */
  clear(): void
}

/** Longest address that is looked up, in characters. Addresses come from outside and are cached. A host name has at most 253. */
const maxAddressLength = 255

/**
 * Caches the results of a lookup, including unknown addresses. There are two generations: once the younger one is full it
 * becomes the older one, and the previous older one, which was not used since, is dropped. A hit allocates nothing.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createCachedLookup(options: CachedLookupOptions): CachedLookup {
  checkKnownKeys('', checkObject('options', options), ['lookup', 'maxEntries'])
  const { lookup } = options
  checkFunction('lookup.lookup', checkObject('lookup', lookup)['lookup'] as GeoLookup['lookup'])
  const maxEntries = checkInteger('maxEntries', options.maxEntries ?? 10_000, { min: 2, max: 10_000_000 })
  let younger = new Map<string, Coordinates | null>()
  let older = new Map<string, Coordinates | null>()

  /** @param result `null` for an unknown address */
  function keep(address: string, result: Coordinates | null): void {
    younger.set(address, result)
    if (younger.size < maxEntries / 2) return
    older = younger
    younger = new Map()
  }

  return {
    get size() {
      return younger.size + older.size
    },
    lookup(address) {
      if (address.length > maxAddressLength) return undefined
      const recent = younger.get(address)
      if (recent !== undefined) return recent ?? undefined
      const known = older.get(address)
      const result = known === undefined ? (lookup.lookup(address) ?? null) : known
      // A substring of a header would keep the whole header in memory, so copy it.
      keep(Buffer.from(address, 'utf16le').toString('utf16le'), result)
      return result ?? undefined
    },
    clear() {
      younger = new Map()
      older = new Map()
    },
  }
}
