import type { Stats } from 'node:fs'
import { lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type ConfigWrite, checkChosenKey, checkRevision } from '@sd/adapter-kit'
import { type ConfigEntry, createSemaphore, invalidError, SdError } from '@sd/core'
import { fileError, ifThere, toFileError } from './file-errors.ts'
import { revisionOf, toEntry } from './file-reader.ts'
import { isIgnored } from './listing.ts'
import { checkFileKey, type ResolvedFileConfigSourceOptions } from './options.ts'

/** Writes and removes files of a directory. */
export interface FileWriter {
  /** Replaces or creates a file atomically; it is on the disk on return. @throws SdError as `WritableConfigSource.put` */
  put(content: string, write: ConfigWrite): Promise<ConfigEntry>
  /** Removes a file. @throws SdError as `WritableConfigSource.delete` */
  remove(write: ConfigWrite): Promise<void>
}

/** New files and folders are accessible only to their owner, because configuration contains secrets. */
const newFileMode = 0o600
const newFolderMode = 0o700

/** Creates a writer. Its writes run one after the other, so that of two with the same revision in one process only one succeeds. */
export function createFileWriter(settings: ResolvedFileConfigSourceOptions): FileWriter {
  const { directory, keys, optional, name } = settings
  const turn = createSemaphore(1)

  /** Checks key and revision. @returns path and mode of the file */
  async function prepare(write: ConfigWrite): Promise<{ readonly path: string; readonly mode: number | undefined }> {
    const { key } = write
    checkFileKey('key', key)
    checkChosenKey(keys, key)
    if (!keys && key.split('/').some(isIgnored)) throw invalidError('key', key, 'a key whose file is neither hidden nor a backup')
    if (!optional) await stat(directory)
    const path = join(directory, key)
    const stats = await lookWithoutLinks(key)
    if (stats && !stats.isFile()) throw fileError('SD_CONFLICT', `${name}: ${path} is not a regular file`)
    checkRevision(name, write, stats && revisionOf(await readFile(path)))
    return { path, mode: stats && stats.mode & 0o777 }
  }

  /** Rejects links: they can lead out of the directory, or into the internal folders of a Kubernetes volume. */
  async function lookWithoutLinks(key: string): Promise<Stats | undefined> {
    let path = directory
    let stats: Stats | undefined
    for (const segment of key.split('/')) {
      path = join(path, segment)
      stats = await ifThere(lstat(path))
      if (stats?.isSymbolicLink())
        throw new SdError('SD_UNSUPPORTED', `${name}: ${path} is a symbolic link: write to its target instead`)
    }
    return stats
  }

  async function inTurn<T>({ signal }: ConfigWrite, operation: () => Promise<T>): Promise<T> {
    try {
      return await turn.run(signal, operation)
    } catch (error) {
      throw toFileError(error, name)
    }
  }

  return {
    put: (content, write) =>
      inTurn(write, async () => {
        const { path, mode } = await prepare(write)
        await mkdir(dirname(path), { recursive: true, mode: newFolderMode })
        return toEntry(settings, write.key, content, await replaceFile(path, content, mode ?? newFileMode, write.signal))
      }),
    remove: (write) =>
      inTurn(write, async () => {
        const { path } = await prepare(write)
        write.signal.throwIfAborted()
        await ifThere(rm(path))
        await syncFolder(dirname(path))
      }),
  }
}

/** Writes a temporary file, then renames it, so that readers see the old or new content. @returns time of writing, in Unix milliseconds */
async function replaceFile(path: string, content: string, mode: number, signal: AbortSignal): Promise<number> {
  const temporary = join(dirname(path), `.sd-${crypto.randomUUID()}.tmp`)
  try {
    const updatedAt = await writeNewFile(temporary, content, mode)
    signal.throwIfAborted()
    await rename(temporary, path)
    await syncFolder(dirname(path))
    return updatedAt
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeNewFile(path: string, content: string, mode: number): Promise<number> {
  const file = await open(path, 'wx', newFileMode)
  try {
    await file.writeFile(content)
    await file.chmod(mode)
    await file.sync()
    return Math.floor((await file.stat()).mtimeMs)
  } finally {
    await file.close()
  }
}

/** Flushes a rename to the disk. Some systems can't do that for a folder; there it happens eventually. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}
