import {
  assembleWritableConfigSource,
  checkChosenKey,
  createConfigDocument,
  type OperationContext,
  selectEntries,
  toConfigEntry,
} from '@sd/adapter-kit'
import { createConsulConnection, type Found, followQuery, queryOnce } from '@sd/connection-consul'
import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { createKvFolder, type KeyValue } from './kv-folder.ts'
import { type ConsulConfigSourceOptions, resolveConsulConfigSourceOptions } from './options.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: false } as const

/** Maximum size of a value in Consul, unless `kv_max_value_size` is set, in bytes. */
const maxBytes = 524_288

/**
 * Creates a source on Consul's KV store. Every key below the prefix is an entry; its revision is the modify index of the key.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createConsulConfigSource(options: ConsulConfigSourceOptions = {}): WritableConfigSource {
  const settings = resolveConsulConfigSourceOptions(options)
  const { keys, name, operationTimeoutMs } = settings
  const connection = createConsulConnection(settings)
  const folder = createKvFolder(connection, settings)

  /** Consul omits keys that the token can't read instead of rejecting the request, so the token must be able to read missing keys. */
  async function checkReadable(values: ReadonlyMap<string, KeyValue>, signal: AbortSignal): Promise<void> {
    const doubtful = keys?.filter((key) => !values.has(key)) ?? (values.size === 0 ? [''] : [])
    await Promise.all(doubtful.map((key) => folder.get(key, signal)))
  }

  async function toDocument(
    found: Found,
    { signal, previous }: OperationContext & { readonly previous?: ConfigDocument | undefined },
  ): Promise<ConfigDocument> {
    const values = folder.read(found)
    await checkReadable(values, signal)
    const unreadable = new Set([...values].flatMap(([key, { isText }]) => (isText ? [] : [key])))
    return createConfigDocument(name, selectEntries(settings, values, { source: name, keys: unreadable }), previous)
  }

  return assembleWritableConfigSource({
    name,
    capabilities,
    operationTimeoutMs,
    maxBytes,
    read: async (read) => toDocument(await queryOnce(connection, folder.query, read.signal), read),
    follow: ({ offer, previous, signal }) =>
      followQuery(connection, folder.query, {
        signal,
        onFound: async (found) => offer(await toDocument(found, { signal, previous: previous() })),
      }),
    async put(content, write) {
      checkChosenKey(keys, write.key)
      return toConfigEntry(settings, write.key, await folder.put(content, write))
    },
    async remove(write) {
      checkChosenKey(keys, write.key)
      await folder.remove(write)
    },
    close: () => connection.close(),
  })
}
