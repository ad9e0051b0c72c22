import { isIP } from 'node:net'
import {
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkText,
  closedError,
  guardListener,
  invalidError,
  readIpAddress,
  type SdError,
  toSdError,
} from '@sd/core'
import type { Reader, Response } from 'maxmind'
import type { Coordinates, GeoLookup } from './coordinates.ts'
import { openDatabase, openDatabaseFile } from './database-file.ts'
import { createCachedLookup } from './lookup-cache.ts'

/** Options of {@link createMaxMindLookup}; at least one database is required, by `path` or as `buffer`. */
export interface MaxMindLookupOptions {
  /**
   * File of a city database in MaxMind's format (`.mmdb`). Several are searched in this order, for example one for IPv4 and
   * one for IPv6.
   */
  readonly path?: string | readonly string[]
  /** Content of one or several such files. */
  readonly buffer?: Uint8Array | readonly Uint8Array[]
  /** Maximum number of cached results, from 2; the least recently used one is dropped first. @default 10_000 */
  readonly maxEntries?: number
  /** How often to check the files for a newer version, in milliseconds, from 100; 0 disables this. @default 60_000 */
  readonly refreshIntervalMs?: number
  /** Called when a newer file can't be used. The database in memory stays in effect. @default ignored */
  readonly onError?: (error: SdError) => void
}

/** A city database in memory. */
export interface MaxMindLookup extends GeoLookup {
  /** Checks the files now. @throws SdError if one can't be used; the database in memory stays in effect */
  refresh(): Promise<void>
  /** Frees the database and stops checking its file. After that every address is unknown. Idempotent. */
  close(): void
}

/** Records of two layouts: MaxMind's nested one, and the flat one of conversions such as DB-IP's. */
interface CityRecord extends Partial<Coordinates> {
  readonly location?: Partial<Coordinates>
}

/**
 * Reads a city database, such as GeoLite2-City, into memory, and looks up addresses in it. Private and unknown addresses,
 * and text that is not an IP address, give `undefined`. A replaced file is read again.
 *
 * @throws SdError `SD_INVALID` that names the option, `SD_NOT_FOUND` if a file can't be read, `SD_MALFORMED` if it is not
 *   such a database
 */
export async function createMaxMindLookup(options: MaxMindLookupOptions): Promise<MaxMindLookup> {
  checkKnownKeys('', checkObject('options', options), ['path', 'buffer', 'maxEntries', 'refreshIntervalMs', 'onError'])
  const { path = [], buffer = [], maxEntries, onError = () => {} } = options
  const paths = [path].flat().map((one) => checkText('path', one, 4_096))
  const buffers = [buffer].flat()
  if (paths.length + buffers.length === 0) throw invalidError('path', options.path, 'the path of a file, or the option buffer')
  for (const content of buffers) if (!(content instanceof Uint8Array)) throw invalidError('buffer', content, 'a Uint8Array')
  const refreshIntervalMs = checkDuration('refreshIntervalMs', options.refreshIntervalMs ?? 60_000)
  if (refreshIntervalMs > 0) checkDuration('refreshIntervalMs', refreshIntervalMs, 100)
  const tell = guardListener('onError', checkFunction('onError', onError))
  let files = await Promise.all(paths.map(openDatabaseFile))
  let fixed: readonly Reader<Response>[] = await Promise.all(buffers.map((content) => openDatabase(content)))
  const readers = (): readonly Reader<Response>[] => [...files.map(({ reader }) => reader), ...fixed]
  let current = readers()
  let isClosed = false
  const cache = createCachedLookup({ lookup: { lookup: (address) => findCoordinates(current, address) }, maxEntries })

  async function look(): Promise<void> {
    const looked = await Promise.allSettled(files.map((file) => file.refresh()))
    if (isClosed) return
    if (looked.some((result) => result.status === 'fulfilled' && result.value)) {
      current = readers()
      cache.clear()
    }
    for (const result of looked) {
      if (result.status === 'rejected') throw toSdError(result.reason, 'SD_MALFORMED', 'Reading the database')
    }
  }
  let looking: Promise<void> | undefined
  async function refresh(): Promise<void> {
    if (isClosed) throw closedError('the lookup')
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
  function report(error: unknown): void {
    if (isClosed) return
    tell(error as SdError)
  }
  const isFollowed = refreshIntervalMs > 0 && files.length > 0
  const timer = isFollowed ? setInterval(() => void refresh().catch(report), refreshIntervalMs) : undefined
  timer?.unref?.()

  return {
    lookup(address) {
      const plain = isIP(address) === 0 ? undefined : readIpAddress(address)
      return plain === undefined ? undefined : cache.lookup(plain)
    },
    refresh,
    close() {
      isClosed = true
      clearInterval(timer)
      files = []
      fixed = []
      current = []
      cache.clear()
    },
  }
}

function findCoordinates(readers: readonly Reader<Response>[], address: string): Coordinates | undefined {
  for (const reader of readers) {
    // A database of IPv4 addresses would read the first bits of an IPv6 address as one.
    if (reader.metadata.ipVersion === 4 && isIP(address) === 6) continue
    const coordinates = readCoordinates(reader.get(address) as CityRecord | null)
    if (coordinates) return coordinates
  }
  return undefined
}

function readCoordinates(record: CityRecord | null): Coordinates | undefined {
  const { latitude, longitude } = record?.location ?? record ?? {}
  return typeof latitude === 'number' && typeof longitude === 'number' ? { latitude, longitude } : undefined
}
