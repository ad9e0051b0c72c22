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
  /** Initial texts by key; ignored with a `store`. @default {} */
  readonly entries?: Readonly<Record<string, string>>
  /** Store of the texts. Share one between several sources to give them the same backend. @default a separate store */
  readonly store?: MemoryConfigStore
  /** Name for `explain` and logs. @default 'memory' */
  readonly name?: string
}

/** A source in memory, whose connection to the store can be cut. */
export interface MemoryConfigSource extends WritableConfigSource {
  /** Fault injection: disconnects or reconnects the store. While disconnected, operations fail and watches are stale. */
  setConnected(connected: boolean): void
}

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: true } as const

// The store is local, so a longer backoff would save nothing.
const backoff = { baseMs: 50, maxMs: 1_000 }

/**
 * Creates a source whose backend is this process: for tests, demos and generated texts.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createMemoryConfigSource(options: MemoryConfigSourceOptions = {}): MemoryConfigSource {
  checkKnownKeys('', checkObject('options', options), ['entries', 'store', 'name'])
  const name = checkName('name', options.name ?? 'memory')
  const store = options.store ?? createMemoryConfigStore(options.entries)
  const breaks = new Set<(error: SdError) => void>()
  let connected = true

  function unreachable(): SdError {
    return new SdError('SD_UNAVAILABLE', `${name} can't reach its store`)
  }
  function reach(): MemoryConfigStore {
    if (!connected) throw unreachable()
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
      if (!connected) for (const fail of [...breaks]) fail(unreachable())
    },
  }
}
