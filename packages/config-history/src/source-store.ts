import { checkConfigKey } from '@sd/adapter-kit'
import { checkInteger, checkKnownKeys, checkObject, SdError, type WritableConfigSource } from '@sd/core'
import type { HistoryStore } from './store.ts'

/** Options of {@link createSourceStore}. */
export interface SourceStoreOptions {
  /**
   * Source that stores the records: the one at `historyPlaceOf` the prefix of the configuration, or another one from which
   * no program reads its configuration.
   */
  readonly source: WritableConfigSource
  /** Key of the entry with the records: by convention the key of the entry that has this history. */
  readonly key: string
  /** Maximum size of the text, in bytes. @default 500_000, which all sources accept */
  readonly maxBytes?: number
}

/**
 * Creates a store in the backend of the configuration, or in another one: an entry that is written by compare-and-set.
 *
 * @throws SdError `SD_INVALID` that names the option, `SD_UNSUPPORTED` if the source does not support compare-and-set
 */
export function createSourceStore(options: SourceStoreOptions): HistoryStore {
  checkKnownKeys('', options, ['source', 'key', 'maxBytes'])
  checkObject('source', options.source)
  const { source } = options
  const key = checkConfigKey('key', options.key)
  const maxBytes = checkInteger('maxBytes', options.maxBytes ?? 500_000, { min: 4_000, max: 67_108_864 })
  if (!source.capabilities.compareAndSet) {
    throw new SdError(
      'SD_UNSUPPORTED',
      `${source.name} does not support compare-and-set, so two writers would lose records of a history: use a file store`,
    )
  }

  const read: HistoryStore['read'] = async (operation) => {
    const { entries } = await source.load(operation)
    const found = entries.find((entry) => entry.key === key)
    return { text: found?.content ?? '', revision: found ? `+${found.revision}` : '' }
  }

  const replace: HistoryStore['replace'] = async (text, revision, operation) => {
    try {
      await source.put(key, text, { ...operation, ifRevision: revision === '' ? null : revision.slice(1) })
      return true
    } catch (error) {
      if (error instanceof SdError && error.code === 'SD_CONFLICT') return false
      throw error
    }
  }

  return {
    name: `${source.name} ${key}`,
    maxBytes,
    read,
    async append(lines, revision, operation) {
      const stored = await read(operation)
      return stored.revision === revision && replace(stored.text + lines, revision, operation)
    },
    replace,
  }
}
