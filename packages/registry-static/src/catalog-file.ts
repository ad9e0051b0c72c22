import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SdError, toSdError } from '@sd/core'
import { type Catalog, parseCatalog } from './catalog.ts'

/** Largest file that is read, in bytes: 64 MiB. */
const maxBytes = 67_108_864
/** Delay between a change notification and reading the file, because editors write in several steps. */
const settleMs = 50

/** A document that can change. */
export interface CatalogSource {
  /** The last valid content. */
  readonly catalog: Catalog
  /** Increases with each valid content, from 1. */
  readonly revision: number
  /** Why the current content is invalid; absent while it is valid. */
  readonly error: SdError | undefined
  /** Reads the file now. */
  refresh(): Promise<void>
  /** Calls `listener` when content or error changes. Returns a function that removes the listener. */
  onChange(listener: () => void): () => void
  /** Stops following the file. */
  close(): void
}

/** Creates a source whose content never changes. */
export function createFixedSource(catalog: Catalog): CatalogSource {
  return { catalog, revision: 1, error: undefined, refresh: async () => {}, onChange: () => () => {}, close() {} }
}

/**
 * Follows a file. It watches the folder, to notice an editor's rename and the symlink swap of a Kubernetes volume, and
 * checks the file every `refreshIntervalMs`, because notifications can be lost. While the file is invalid, the last
 * valid content stays in effect.
 *
 * @throws SdError if the file is invalid at the start
 */
export function createFileSource(path: string, refreshIntervalMs: number): CatalogSource {
  const listeners = new Set<() => void>()
  let text = readAtStart(path)
  let catalog = parseCatalog(text, path)
  let revision = 1
  let error: SdError | undefined
  let settling: ReturnType<typeof setTimeout> | undefined
  let reading: Promise<void> | undefined
  let closed = false
  const poll = setInterval(() => void refresh(), refreshIntervalMs)
  poll.unref?.()
  const watcher = watchFolder(dirname(path), () => {
    settling ??= setTimeout(() => {
      settling = undefined
      void refresh()
    }, settleMs)
    settling.unref?.()
  })

  async function read(): Promise<void> {
    try {
      const next = await readText(path)
      if (closed || (next === text && error === undefined)) return
      catalog = next === text ? catalog : parseCatalog(next, path)
      text = next
      revision++
      error = undefined
    } catch (caught) {
      const failure = toSdError(caught, 'SD_UNAVAILABLE', `reading ${path}`)
      if (closed || failure.message === error?.message) return
      error = failure
    }
    for (const notify of [...listeners]) notify()
  }

  function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  return {
    get catalog() {
      return catalog
    },
    get revision() {
      return revision
    },
    get error() {
      return error
    },
    refresh,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      closed = true
      clearInterval(poll)
      clearTimeout(settling)
      watcher?.close()
    },
  }
}

function readAtStart(path: string): string {
  try {
    return checkSize(path, readFileSync(path))
  } catch (error) {
    throw toSdError(error, 'SD_NOT_FOUND', `reading ${path}`)
  }
}

async function readText(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size > maxBytes) throw tooLarge(path)
  return checkSize(path, await readFile(path))
}

function checkSize(path: string, content: Buffer): string {
  if (content.length > maxBytes) throw tooLarge(path)
  return content.toString('utf8')
}

function tooLarge(path: string): SdError {
  return new SdError('SD_TOO_LARGE', `${path} is larger than ${maxBytes} bytes`, { retryable: true })
}

/** Watching can be impossible (no inotify watches left, a network file system). The interval is then the only check. */
function watchFolder(folder: string, onSign: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onSign)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
