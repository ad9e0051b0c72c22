import { readFile, stat } from 'node:fs/promises'
import { SdError } from '@sd/core'
import type { Reader, Response } from 'maxmind'

/** A database in memory, and the identity of its file when it was read. */
export interface DatabaseFile {
  /** The current database. */
  readonly reader: Reader<Response>
  /** Reads the file again if it was replaced. @returns whether there is a new database @throws SdError if it can't be used */
  refresh(): Promise<boolean>
}

/** Reads a database from a file, which may be replaced later. @throws SdError `SD_NOT_FOUND`, `SD_MALFORMED` */
export async function openDatabaseFile(path: string): Promise<DatabaseFile> {
  let { reader, mark } = await readDatabase(path)
  return {
    get reader() {
      return reader
    },
    async refresh() {
      if ((await markOf(path)) === mark) return false
      const next = await readDatabase(path)
      reader = next.reader
      mark = next.mark
      return true
    },
  }
}

/** Opens a database in memory. @param what the subject of the error's message @throws SdError `SD_MALFORMED` */
export async function openDatabase(content: Uint8Array, what: string = 'The database'): Promise<Reader<Response>> {
  const maxmind = await import('maxmind')
  try {
    return new maxmind.Reader(Buffer.from(content.buffer, content.byteOffset, content.byteLength))
  } catch (cause) {
    throw new SdError('SD_MALFORMED', `${what} is not in MaxMind’s format: if the file is compressed, decompress it`, { cause })
  }
}

async function readDatabase(path: string): Promise<{ reader: Reader<Response>; mark: string }> {
  const mark = await markOf(path)
  const content = await readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  // A file that is still being written is read at the next refresh.
  if ((await markOf(path)) !== mark) throw new SdError('SD_MALFORMED', `The database ${path} changed while it was being read`)
  return { reader: await openDatabase(content, `The database ${path}`), mark }
}

/** Identifies the content of a file. */
async function markOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  return `${ino} ${size} ${mtimeMs}`
}

function unreadable(path: string, cause: unknown): SdError {
  return new SdError('SD_NOT_FOUND', `Can't read the database ${path}`, { cause, field: 'path' })
}
