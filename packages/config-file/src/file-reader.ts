import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { formatOfKey } from '@sd/adapter-kit'
import { type ConfigEntry, sleep } from '@sd/core'
import { fileError, ifThere, toFileError } from './file-errors.ts'
import { type FoundFile, type FoundFolder, isSameListing, type Listing, listFiles, mapLimited, maxFileBytes } from './listing.ts'
import type { ResolvedFileConfigSourceOptions } from './options.ts'

/** All files at one moment. */
export interface FileReading {
  readonly entries: readonly ConfigEntry[]
  readonly folders: readonly FoundFolder[]
}

interface KnownFile {
  readonly stamp: string
  /** Whether the file was read so soon after a change that another change may not show in the stamp. */
  readonly wasYoung: boolean
  readonly entry: ConfigEntry
}

/** Time after a change in which a file can still be half written, and in which a coarse file clock can hide the next change. */
const youngMs = 3_000

/**
 * Creates a function that reads all files at one moment: once nothing has changed for a while, and again if anything changed
 * during the read. Unchanged files are not read again and keep their entries.
 */
export function createFileReader(settings: ResolvedFileConfigSourceOptions): (signal: AbortSignal) => Promise<FileReading> {
  const { name, optional, settleMs } = settings
  let settled: Listing | undefined
  let known: ReadonlyMap<string, KnownFile> = new Map()

  async function read(signal: AbortSignal): Promise<FileReading> {
    // Files that never settle are read anyway, if none changes during the read.
    const restUntil = performance.now() + 10 * settleMs
    let listing = await listFiles(settings, signal)
    let isAtRest = settled ? isSameListing(listing, settled) : !listing.files.some(isYoung)
    for (;;) {
      if (isAtRest) {
        if (listing.missing.length > 0 && !optional) {
          throw fileError('SD_NOT_FOUND', `${name}: ${listing.missing.join(', ')} not found`)
        }
        const found = await mapLimited(listing.files, signal, readKnown)
        const after = await listFiles(settings, signal)
        if (isSameListing(listing, after)) {
          settled = after
          known = new Map(found.flatMap((file) => (file ? [[file.entry.key, file]] : [])))
          return { entries: [...known.values()].map(({ entry }) => entry), folders: after.folders }
        }
        listing = after
      }
      await sleep(settleMs, signal, true)
      const next = await listFiles(settings, signal)
      isAtRest = isSameListing(listing, next) || performance.now() > restUntil
      listing = next
    }
  }

  async function readKnown(file: FoundFile): Promise<KnownFile | undefined> {
    const { key, stamp } = file
    const before = known.get(key)
    if (before?.stamp === stamp && !before.wasYoung) return before
    const wasYoung = isYoung(file)
    const bytes = await ifThere(readFile(file.path))
    if (!bytes) return undefined
    if (bytes.length > maxFileBytes) throw fileError('SD_TOO_LARGE', `${name}: ${file.path} has more than ${maxFileBytes} bytes`)
    const entry = toEntry(settings, key, decode(bytes, `${name}: ${file.path}`), file.updatedAt)
    return { stamp, wasYoung, entry: before?.entry.revision === entry.revision ? before.entry : entry }
  }

  return async (signal) => {
    try {
      return await read(signal)
    } catch (error) {
      throw toFileError(error, name)
    }
  }
}

/** The entry of a file. */
export function toEntry(
  { format, secret }: ResolvedFileConfigSourceOptions,
  key: string,
  content: string,
  updatedAt: number,
): ConfigEntry {
  return {
    key,
    content,
    format: format ?? formatOfKey(key),
    revision: revisionOf(content),
    updatedAt,
    ...(secret && { isSecret: true }),
  }
}

/** The revision of a content. */
export function revisionOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64url')
}

function isYoung({ changedAt }: FoundFile): boolean {
  return Date.now() - changedAt < youngMs
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw fileError('SD_MALFORMED', `${what} is not valid UTF-8`, error)
  }
}
