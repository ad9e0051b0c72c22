import {
  assembleWritableConfigSource,
  type ConfigText,
  type ConfigWrite,
  checkChosenKey,
  commonPrefixOf,
  conflictError,
  createConfigDocument,
  selectEntries,
  toConfigEntry,
} from '@sd/adapter-kit'
import { changeKey, createEtcdConnection, followPrefix, type KeyValues, listPrefix } from '@sd/connection-etcd'
import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { type EtcdConfigSourceOptions, resolveEtcdConfigSourceOptions } from './options.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: false } as const

/**
 * Creates a source on etcd. Every key below the prefix is an entry; its revision is the mod revision of the key.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createEtcdConfigSource(options: EtcdConfigSourceOptions = {}): WritableConfigSource {
  const settings = resolveEtcdConfigSourceOptions(options)
  const { keys, name, operationTimeoutMs } = settings
  const connection = createEtcdConnection(settings)
  const folder = `${settings.prefix}/`
  const range = `${folder}${commonPrefixOf(settings)}`

  function toDocument({ entries }: KeyValues, previous?: ConfigDocument): ConfigDocument {
    const texts = new Map<string, ConfigText>()
    const unreadable = new Set<string>()
    for (const [path, { text, isText, modRevision }] of entries) {
      const key = path.slice(folder.length)
      texts.set(key, { content: text, revision: String(modRevision) })
      if (!isText) unreadable.add(key)
    }
    return createConfigDocument(name, selectEntries(settings, texts, { source: name, keys: unreadable }), previous)
  }

  async function change(value: string | undefined, { key, ifRevision }: ConfigWrite): Promise<bigint> {
    checkChosenKey(keys, key)
    const revision = await changeKey(connection, { key: folder + key, value, ifModRevision: readRevision(ifRevision) })
    if (revision === undefined) throw conflictError(name, key)
    return revision
  }

  return assembleWritableConfigSource({
    name,
    capabilities,
    operationTimeoutMs,
    read: async () => toDocument(await connection.run((client) => listPrefix(client, range))),
    follow: ({ offer, previous, signal }) =>
      followPrefix(connection, range, { signal, onChange: (all) => offer(toDocument(all, previous())) }),
    put: async (content, write) =>
      toConfigEntry(settings, write.key, { content, revision: String(await change(content, write)) }),
    remove: async (write) => void (await change(undefined, write)),
    close: () => connection.close(),
  })
}

/** Converts `ifRevision` for etcd. A revision that is not a number can't match any key, so it becomes -1. */
function readRevision(ifRevision: string | null | undefined): bigint | undefined {
  if (ifRevision === undefined) return undefined
  if (ifRevision === null) return 0n
  return /^[1-9]\d{0,17}$/.test(ifRevision) ? BigInt(ifRevision) : -1n
}
