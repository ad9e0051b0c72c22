import { createHash, randomUUID } from 'node:crypto'
import { appendFile, open, readFile, rename, rm, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkDuration, checkInteger, checkKnownKeys, checkName, type OperationOptions, toSdError, withTimeout } from '@sd/core'
import { type FileLock, withFileLock } from './file-lock.ts'
import type { HistoryStore } from './store.ts'

/** Options of {@link createFileStore}. */
export interface FileStoreOptions {
  /** Path of the file: lines of JSON, readable only by its owner. Its folder must exist and can also contain `.lock`, `.torn` and `.tmp` files. */
  readonly path: string
  /** Maximum size of the file, in bytes. @default 67_108_864 */
  readonly maxBytes?: number
  /** Time limit of the wait for other processes, in milliseconds. @default 20_000 */
  readonly lockTimeoutMs?: number
  /** A lock held by another process for longer than this, in milliseconds, is considered left by a crash. @default 10_000 */
  readonly staleLockMs?: number
}

/**
 * Creates a store in a file on a local disk. Every append is synced. The next append moves a line truncated by a crash to
 * `<path>.torn`.
 *
 * @throws SdError `SD_INVALID` that names the option; its methods `SD_UNAVAILABLE` if the file can't be read or written, `SD_TIMEOUT`
 * if another process keeps it locked
 */
export function createFileStore(options: FileStoreOptions): HistoryStore {
  checkKnownKeys('', options, ['path', 'maxBytes', 'lockTimeoutMs', 'staleLockMs'])
  const path = checkName('path', options.path, 4_096)
  const maxBytes = checkInteger('maxBytes', options.maxBytes ?? 67_108_864, { min: 4_000, max: 536_870_912 })
  const timeoutMs = checkDuration('lockTimeoutMs', options.lockTimeoutMs ?? 20_000, 1)
  const staleMs = checkDuration('staleLockMs', options.staleLockMs ?? 10_000, 100)
  const what = `The history in ${path}`

  async function readBytes(): Promise<Buffer> {
    try {
      return await readFile(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
      throw toSdError(error, 'SD_UNAVAILABLE', what)
    }
  }

  /** Changes the file if its revision is unchanged. */
  async function change(
    revision: string,
    { signal: own }: OperationOptions,
    run: (bytes: Buffer, lock: FileLock) => Promise<void>,
  ): Promise<boolean> {
    try {
      return await withTimeout({ timeoutMs, what: `${what}, ${path}.lock`, signal: own }, (signal) =>
        withFileLock(`${path}.lock`, { signal, staleMs }, async (lock) => {
          const bytes = await readBytes()
          if (revisionOf(bytes) !== revision) return false
          await run(bytes, lock)
          return true
        }),
      )
    } catch (error) {
      throw toSdError(error, 'SD_UNAVAILABLE', what)
    }
  }

  return {
    name: path,
    maxBytes,
    async read() {
      const bytes = await readBytes()
      return { text: bytes.toString('utf8'), revision: revisionOf(bytes) }
    },
    append(lines, revision, operation) {
      return change(revision, operation, async (bytes, lock) => {
        const end = bytes.lastIndexOf('\n') + 1
        await lock.check()
        if (end < bytes.length) {
          await appendFile(`${path}.torn`, Buffer.concat([bytes.subarray(end), Buffer.from('\n')]), { mode: 0o600, flush: true })
          await truncate(path, end)
        }
        await appendFile(path, lines, { mode: 0o600, flush: true })
        if (bytes.length === 0) await syncFolder(path)
      })
    },
    replace(text, revision, operation) {
      return change(revision, operation, async (_, lock) => {
        const temporary = `${path}.${randomUUID()}.tmp`
        try {
          await appendFile(temporary, text, { mode: 0o600, flush: true })
          await lock.check()
          await rename(temporary, path)
        } finally {
          await rm(temporary, { force: true })
        }
        await syncFolder(path)
      })
    },
  }
}

function revisionOf(bytes: Buffer): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`
}

/** Makes a new name durable, where the platform can. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  await using folder = await open(dirname(path), 'r')
  await folder.sync()
}
