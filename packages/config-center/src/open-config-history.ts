import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ConfigHistory, ConfigHistoryOptions, HistoryStore } from '@sd/config-history'
import { checkObject, type WritableConfigSource } from '@sd/core'
import { createWritableConfigSource } from './create-config-source.ts'
import { findHistoryPlace, type HistoryPlace, isSecretEntry, noPlaceError } from './history-place.ts'
import { type ConfigSourceConfig, type ConfigSourceTypes, factory } from './source-types.ts'

/** Masking rule of an entry that is secret as a whole. */
const maskEverything = { paths: [/^/] }

/** Options of {@link openConfigHistory}: those of `createConfigHistory`, without its source. */
export interface OpenConfigHistoryOptions extends Omit<ConfigHistoryOptions, 'source' | 'store'> {
  /** Store of the versions. @default the place of the convention, see `historyPlaceOf` of `@sd/config-history` */
  readonly store?: HistoryStore
  /** Types of sources of your own, by name. They need a `store`. @default {} */
  readonly types?: ConfigSourceTypes
}

/** The history of an entry, and the source of the entry. */
export interface OpenedConfigHistory extends AsyncDisposable {
  readonly history: ConfigHistory
  /** Source of the entry. */
  readonly source: WritableConfigSource
  /** Closes the source and the store. Idempotent and bounded in time. */
  close(): Promise<void>
}

/**
 * Opens an entry of a source together with its history. Every program that opens it by the same configuration, such as a
 * command line, finds the same history.
 *
 * @param config as for `createConfigSource`
 * @throws SdError as `createWritableConfigSource` and `createConfigHistory`; `SD_UNSUPPORTED` if there is no place for
 * histories of this type of source and no `store` is given
 */
export async function openConfigHistory(
  config: string | ConfigSourceConfig,
  options: OpenConfigHistoryOptions,
): Promise<OpenedConfigHistory> {
  const { store, types = {}, ...history } = checkObject('options', options) as unknown as OpenConfigHistoryOptions
  const { createConfigHistory } = await import('@sd/config-history')
  const read = factory.readConfig(config)
  const opened: AsyncDisposable[] = []
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= Promise.all(opened.map((one) => one[Symbol.asyncDispose]())).then(() => undefined)
    return closing
  }
  try {
    const source = await createWritableConfigSource(read, { types })
    opened.push(source)
    if (!store && Object.hasOwn(types, read.type)) throw noPlaceError(read.type)
    const kept = store ?? (await openStore(findHistoryPlace(read, history.key), opened))
    const masking = history.masking ?? (isSecretEntry(read, history.key) ? maskEverything : {})
    const versions = createConfigHistory({ ...history, masking, source, store: kept })
    return { source, history: versions, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openStore(place: HistoryPlace, opened: AsyncDisposable[]): Promise<HistoryStore> {
  const { createFileStore, createMemoryStore, createSourceStore } = await import('@sd/config-history')
  if (place.kind === 'memory') return createMemoryStore()
  if (place.kind === 'file') return withFolder(createFileStore({ path: join(place.directory, place.key) }), place)
  const { config, key } = place
  const source = await createWritableConfigSource(config)
  opened.push(source)
  return createSourceStore({ source, key })
}

/** Creates the folder of a file store with its first record. */
function withFolder(store: HistoryStore, { directory, key }: { readonly directory: string; readonly key: string }): HistoryStore {
  return {
    ...store,
    async append(lines, revision, options) {
      await mkdir(dirname(join(directory, key)), { recursive: true, mode: 0o700 })
      return store.append(lines, revision, options)
    },
  }
}
