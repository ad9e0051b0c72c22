import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkFormat, createConfigDocument } from '@sd/adapter-kit'
import { type ConfigDocument, SdError, toSdError } from '@sd/core'

/** The last valid texts of a configuration. */
export interface StoredConfig {
  /** Time of writing, in Unix milliseconds. */
  readonly savedAt: number
  /** The document of each source. */
  readonly documents: readonly ConfigDocument[]
}

/** A file with the last valid texts. */
export interface SnapshotFile {
  /**
   * Reads the file; `undefined` if it does not exist.
   *
   * @throws SdError `SD_MALFORMED` if it is damaged or has another version, `SD_UNAVAILABLE` if it can't be read
   */
  load(): Promise<StoredConfig | undefined>
  /** Writes the file atomically; of several pending writes only the last is done. @throws SdError `SD_UNAVAILABLE` */
  save(stored: StoredConfig): Promise<void>
  /** Waits for writes in progress. */
  flush(): Promise<void>
}

const formatVersion = 1

/** Stores texts as `<SHA-256>\n<JSON>`, readable only by the owner. */
export function createSnapshotFile(path: string): SnapshotFile {
  let waiting: StoredConfig | undefined
  let writing: Promise<void> | undefined

  async function write(stored: StoredConfig): Promise<void> {
    const text = JSON.stringify({ version: formatVersion, ...stored })
    const temporary = `${path}.${crypto.randomUUID()}.tmp`
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeFile(temporary, `${checksum(text)}\n${text}`, { mode: 0o600, flush: true })
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw toSdError(error, 'SD_UNAVAILABLE', 'writing the snapshot of the configuration')
    }
  }
  async function writeWaiting(): Promise<void> {
    try {
      for (let stored = waiting; stored; stored = waiting) {
        waiting = undefined
        await write(stored)
      }
    } finally {
      writing = undefined
    }
  }

  return {
    async load() {
      const file = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw toSdError(error, 'SD_UNAVAILABLE', 'reading the snapshot of the configuration')
      })
      if (file === undefined) return undefined
      const end = Math.max(file.indexOf('\n'), 0)
      const text = file.slice(end + 1)
      if (file.slice(0, end) !== checksum(text)) throw malformed('has a wrong checksum')
      return parse(text)
    },
    save(stored) {
      waiting = stored
      writing ??= writeWaiting()
      return writing
    },
    async flush() {
      await writing?.catch(() => undefined)
    },
  }

  function parse(text: string): StoredConfig {
    try {
      const { version, savedAt, documents } = JSON.parse(text) as StoredConfig & { readonly version: number }
      if (version !== formatVersion) throw new TypeError(`another version, ${version}`)
      for (const { entries } of documents) for (const { format } of entries) checkFormat('format', format)
      return { savedAt, documents: documents.map(({ source, entries }) => createConfigDocument(source, entries)) }
    } catch {
      throw malformed(`does not have format version ${formatVersion}`)
    }
  }
  function malformed(reason: string): SdError {
    return new SdError('SD_MALFORMED', `The snapshot of the configuration ${reason}: ${path}`)
  }
}

function checksum(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}
