import { checkFunction, checkInteger, checkKnownKeys, checkObject } from '@sd/core'
import type { Coordinates, GeoLookup } from './coordinates.ts'

/** Options of {@link createCachedLookup}. */
export interface CachedLookupOptions {
  /** Whose answers are kept. */
  readonly lookup: GeoLookup
  /** Most answers that are kept, from 2; the one that was not used for longest makes room. @default 10_000 */
  readonly maxEntries?: number | undefined
}

/** A lookup that keeps its answers. */
export interface CachedLookup extends GeoLookup {
  /** Number of answers that are kept. */
  readonly size: number
  /** Forgets all answers. */
  clear(): void
}

/** Longest address that is looked up, in characters: addresses come from outside and are kept. A host name has at most 253. */
const maxAddressLength = 255

/**
 * Keeps what a lookup answered, that an address is unknown included. In two generations: once the younger one is full it becomes the
 * older one, and the older one, which nobody has used since, goes. A hit allocates nothing.
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

  /** @param answer `null` for unknown */
  function keep(address: string, answer: Coordinates | null): void {
    younger.set(address, answer)
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
      const answer = known === undefined ? (lookup.lookup(address) ?? null) : known
      // A part of a header would keep the whole header in memory: this is a copy.
      keep(Buffer.from(address, 'utf16le').toString('utf16le'), answer)
      return answer ?? undefined
    },
    clear() {
      younger = new Map()
      older = new Map()
    },
  }
}
