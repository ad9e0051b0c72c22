import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SdError, toSdError } from '@sd/core'
import { type Catalog, parseCatalog } from './catalog.ts'

/** Largest file that is read, in bytes: 64 MiB. */
const maxBytes = 67_108_864
/** How long after a sign of change the file is read: editors write in several steps. */
const settleMs = 50

/** A document that may change. */
export interface CatalogSource {
  /** The last good content. */
  readonly catalog: Catalog
  /** Counts good contents. */
  readonly revision: number
  /** Why what is there now can't be used; absent while it can. */
  readonly error: SdError | undefined
  /** Looks again now. */
  refresh(): Promise<void>
  /** Calls `listener` when content or error changed. Returns a function that ends it. */
  onChange(listener: () => void): () => void
  /** Stops looking. */
  close(): void
}

/** A document that stays as it is. */
export function createFixedSource(catalog: Catalog): CatalogSource {
  return { catalog, revision: 1, error: undefined, refresh: async () => {}, onChange: () => () => {}, close() {} }
}

/**
 * Follows a file: by watching its folder, so that an editor's rename and the symlink swap of a Kubernetes volume are seen, and by looking
 * at it every `refreshIntervalMs`, because such signs get lost. A file that can't be used leaves the last good content in place.
 *
 * @throws SdError when the file can't be used at the start
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
    for (const tell of [...listeners]) tell()
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

/** Watching may be impossible (no inotify left, a network file system): then the interval has to do. */
function watchFolder(folder: string, onSign: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onSign)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
