import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { checkKnownKeys, checkObject, checkText, invalid, SdError } from '@sd/core'
import type { Reader, Response } from 'maxmind'
import type { Coordinates, GeoLookup } from './coordinates.ts'
import { createCachedLookup } from './lookup-cache.ts'

/** Options of {@link createMaxMindLookup}: at least one database, by `path` or as `buffer`. */
export interface MaxMindLookupOptions {
  /** File of a city database in MaxMind's format (`.mmdb`). Several are asked in this order, such as one for IPv4 and one for IPv6. */
  readonly path?: string | readonly string[]
  /** Content of such a file, or of several. */
  readonly buffer?: Uint8Array | readonly Uint8Array[]
  /** Most answers that are kept, from 2; the one that was not used for longest makes room. @default 10_000 */
  readonly maxEntries?: number
}

/** A city database that was read. */
export interface MaxMindLookup extends GeoLookup {
  /** Frees the database; every address is unknown then. Idempotent. */
  close(): void
}

/** Records of the two layouts: MaxMind's nested one, and the flat one of DB-IP's and others' conversions. */
interface CityRecord extends Partial<Coordinates> {
  readonly location?: Partial<Coordinates>
}

/**
 * Reads a city database, GeoLite2-City or one like it, into memory, and looks up addresses in it. Private and unknown addresses,
 * and what is no IP address, give `undefined`. The file is read once: for a newer one make a new lookup.
 *
 * @throws SdError `SD_INVALID` that names the option, `SD_NOT_FOUND` if a file can't be read, `SD_MALFORMED` if it is no such database
 */
export async function createMaxMindLookup(options: MaxMindLookupOptions): Promise<MaxMindLookup> {
  checkKnownKeys('', checkObject('options', options), ['path', 'buffer', 'maxEntries'])
  const { path = [], buffer = [], maxEntries } = options
  const paths = [path].flat()
  const buffers = [buffer].flat()
  if (paths.length + buffers.length === 0) throw invalid('path', options.path, 'a file, or buffer')
  const contents = [...(await Promise.all(paths.map(readDatabase))), ...buffers]
  let readers: readonly Reader<Response>[] = await Promise.all(contents.map(openDatabase))
  const cache = createCachedLookup({ lookup: { lookup: (address) => findCoordinates(readers, address) }, maxEntries })
  return {
    lookup: (address) => (isIP(address) === 0 ? undefined : cache.lookup(address)),
    close() {
      readers = []
      cache.clear()
    },
  }
}

async function readDatabase(path: string): Promise<Uint8Array> {
  checkText('path', path, 4_096)
  return readFile(path).catch((cause: unknown) => {
    throw new SdError('SD_NOT_FOUND', `Can't read the database ${path}`, { cause, field: 'path' })
  })
}

async function openDatabase(content: Uint8Array): Promise<Reader<Response>> {
  if (!(content instanceof Uint8Array)) throw invalid('buffer', content, 'a Uint8Array')
  const maxmind = await import('maxmind')
  try {
    return new maxmind.Reader(Buffer.from(content.buffer, content.byteOffset, content.byteLength))
  } catch (cause) {
    throw new SdError('SD_MALFORMED', 'The database is not in MaxMind’s format; is it compressed?', { cause })
  }
}

/** An IPv4 address as a socket of both families shows it. */
const mappedPrefix = /^::ffff:(?=[\d.]+$)/i

function findCoordinates(readers: readonly Reader<Response>[], address: string): Coordinates | undefined {
  const plain = address.replace(mappedPrefix, '')
  for (const reader of readers) {
    // A database of IPv4 addresses would take the first bits of an IPv6 address for one.
    if (reader.metadata.ipVersion === 4 && isIP(plain) === 6) continue
    const coordinates = readCoordinates(reader.get(plain) as CityRecord | null)
    if (coordinates) return coordinates
  }
  return undefined
}

function readCoordinates(record: CityRecord | null): Coordinates | undefined {
  const { latitude, longitude } = record?.location ?? record ?? {}
  return typeof latitude === 'number' && typeof longitude === 'number' ? { latitude, longitude } : undefined
}
