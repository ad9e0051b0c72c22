import { assembleWritableConfigSource, checkRevision, createConfigDocument } from '@sd/adapter-kit'
import {
  type ConfigDocument,
  checkKnownKeys,
  checkName,
  checkObject,
  SdError,
  type WatchSession,
  type WritableConfigSource,
} from '@sd/core'
import { createMemoryConfigStore, type MemoryConfigStore } from './memory-config-store.ts'

/** Options of {@link createMemoryConfigSource}. */
export interface MemoryConfigSourceOptions {
  /** Texts to begin with, by key; beside a `store`, there are none. @default {} */
  readonly entries?: Readonly<Record<string, string>>
  /** Where texts are kept. Share one to have several sources on the same backend. @default a store of its own */
  readonly store?: MemoryConfigStore
  /** Name for `explain` and logs. @default 'memory' */
  readonly name?: string
}

/** A source in memory, with a link to its store that can be cut. */
export interface MemoryConfigSource extends WritableConfigSource {
  /** Fault control: cuts or mends the link. While it is cut, operations fail and watches are stale. */
  setConnected(connected: boolean): void
}

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: true } as const

// The texts are at hand at once: there is nothing to spare by waiting longer.
const backoff = { baseMs: 50, maxMs: 1_000 }

/**
 * Builds a source whose backend is this process: for tests, demos, and texts that a program makes.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createMemoryConfigSource(options: MemoryConfigSourceOptions = {}): MemoryConfigSource {
  checkKnownKeys('', checkObject('options', options), ['entries', 'store', 'name'])
  const name = checkName('name', options.name ?? 'memory')
  const store = options.store ?? createMemoryConfigStore(options.entries)
  const breaks = new Set<(error: SdError) => void>()
  let connected = true

  function away(): SdError {
    return new SdError('SD_UNAVAILABLE', `${name} can't reach its store`)
  }
  function reach(): MemoryConfigStore {
    if (!connected) throw away()
    return store
  }
  function follow({ offer, previous, signal }: WatchSession<ConfigDocument>): Promise<void> {
    reach()
    return new Promise((resolve, reject) => {
      const read = (): void => offer(createConfigDocument(name, store.list(), previous()))
      const unsubscribe = store.onChange(() => connected && read())
      breaks.add(stop)
      signal.addEventListener('abort', () => stop(), { once: true })
      read()
      function stop(error?: SdError): void {
        unsubscribe()
        breaks.delete(stop)
        if (error) reject(error)
        else resolve()
      }
    })
  }

  const source = assembleWritableConfigSource({
    name,
    capabilities,
    backoff,
    operationTimeoutMs: 5_000,
    initialState: 'connected',
    read: async () => createConfigDocument(name, reach().list()),
    follow,
    async put(content, write) {
      const { key, author, comment } = write
      checkRevision(name, write, reach().get(key)?.revision)
      return store.put(key, content, { author, comment })
    },
    async remove(write) {
      checkRevision(name, write, reach().get(write.key)?.revision)
      store.delete(write.key)
    },
    close: () => undefined,
  })
  return {
    ...source,
    get state() {
      return source.state
    },
    setConnected(next) {
      connected = next
      if (!connected) for (const fail of [...breaks]) fail(away())
    },
  }
}
