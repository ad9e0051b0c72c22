import { formatOfKey } from '@sd/adapter-kit'
import { type ConfigAnnotations, type ConfigEntry, checkFunction, checkObject, guardListener, invalidError } from '@sd/core'

/** The texts behind memory sources, like the server of other sources. Several sources of one process can share a store. */
export interface MemoryConfigStore {
  /** All entries, sorted by key. */
  list(): readonly ConfigEntry[]
  /** The entry of a key. */
  get(key: string): ConfigEntry | undefined
  /** Writes a text. */
  put(key: string, content: string, annotations?: ConfigAnnotations): ConfigEntry
  /** Removes an entry. */
  delete(key: string): void
  /** Calls `listener` after every change. Returns a function that removes it. */
  onChange(listener: () => void): () => void
}

/** Creates a store. @param texts initial texts by key @throws SdError `SD_INVALID` that names the key */
export function createMemoryConfigStore(texts: Readonly<Record<string, string>> = {}): MemoryConfigStore {
  const entries = new Map<string, ConfigEntry>()
  const listeners = new Set<() => void>()
  let revision = 0

  function notify(): void {
    for (const notify of [...listeners]) notify()
  }
  const store: MemoryConfigStore = {
    list: () => [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
    get: (key) => entries.get(key),
    put(key, content, { author, comment } = {}) {
      revision++
      const entry = Object.freeze({
        key,
        content,
        format: formatOfKey(key),
        revision: String(revision),
        updatedAt: Date.now(),
        author,
        comment,
      })
      entries.set(key, entry)
      notify()
      return entry
    },
    delete(key) {
      if (entries.delete(key)) notify()
    },
    onChange(listener) {
      const own = guardListener('listener of the memory store', checkFunction('listener', listener))
      listeners.add(own)
      return () => void listeners.delete(own)
    },
  }
  for (const [key, content] of Object.entries(checkObject('entries', texts))) {
    if (typeof content !== 'string') throw invalidError(`entries.${key}`, typeof content, 'a text')
    store.put(key, content)
  }
  return store
}
