import { assembleWritableConfigSource, createConfigDocument } from '@sd/adapter-kit'
import { type ConfigDocument, sleep, type WatchSession, type WritableConfigSource, withTimeout } from '@sd/core'
import { createFileReader } from './file-reader.ts'
import { createFileWriter } from './file-writer.ts'
import { createFolderSigns } from './folder-signs.ts'
import { maxFileBytes } from './listing.ts'
import { type FileConfigSourceOptions, resolveFileConfigSourceOptions } from './options.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: false, annotations: false } as const

// Files are local, so a longer backoff for a missing file would save nothing.
const backoff = { baseMs: 100, maxMs: 1_000 }

/** Minimum time between two checks, regardless of the number of events: a log can be written in the same folder. */
const pauseMs = 50

/**
 * Creates a source that reads each file as an entry. Files are reloaded when they change, once they are written completely.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createFileConfigSource(options: FileConfigSourceOptions): WritableConfigSource {
  const settings = resolveFileConfigSourceOptions(options)
  const { name, operationTimeoutMs, pollIntervalMs } = settings
  const readFiles = createFileReader(settings)
  const { put, remove } = createFileWriter(settings)

  async function follow({ offer, previous, signal }: WatchSession<ConfigDocument>): Promise<void> {
    const signs = createFolderSigns(signal)
    while (!signal.aborted) {
      const limits = { timeoutMs: operationTimeoutMs, what: `${name} load`, signal }
      const { entries, folders } = await withTimeout(limits, readFiles)
      offer(createConfigDocument(name, entries, previous()))
      if (!signs.follow(folders)) await signs.next(pollIntervalMs)
      await sleep(pauseMs, signal, true)
    }
  }

  return assembleWritableConfigSource({
    name,
    capabilities,
    backoff,
    operationTimeoutMs,
    maxBytes: maxFileBytes,
    read: async ({ signal }) => createConfigDocument(name, (await readFiles(signal)).entries),
    follow,
    put,
    remove,
    close: () => undefined,
  })
}
