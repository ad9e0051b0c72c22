import { changeKey, createEtcdConnection, followPrefix, type KeyValues, listPrefix } from '@sd/connection-etcd'
import {
  assembleWritableConfigSource,
  type ConfigDocument,
  type ConfigEntry,
  type ConfigWrite,
  checkChosenKey,
  configConflict,
  createConfigDocument,
  formatOfKey,
  isConfigKey,
  type WritableConfigSource,
} from '@sd/core'
import { type EtcdConfigSourceOptions, readOptions } from './options.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: false } as const

/**
 * Configuration in etcd: every key below a prefix is an entry, whose revision is the key's mod revision.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createEtcdConfigSource(options: EtcdConfigSourceOptions = {}): WritableConfigSource {
  const settings = readOptions(options)
  const { keys, format, name, operationTimeoutMs } = settings
  const connection = createEtcdConnection(settings)
  const folder = `${settings.prefix}/`

  function toEntry(key: string, content: string, revision: bigint): ConfigEntry {
    return { key, content, format: format ?? formatOfKey(key), revision: String(revision) }
  }

  function toDocument({ entries }: KeyValues, previous?: ConfigDocument): ConfigDocument {
    const order =
      keys ??
      [...entries.keys()]
        .map((path) => path.slice(folder.length))
        .filter(isConfigKey)
        .sort()
    const found = order.flatMap((key) => {
      const value = entries.get(folder + key)
      return value ? [toEntry(key, value.text, value.modRevision)] : []
    })
    return createConfigDocument(name, found, previous)
  }

  async function change(value: string | undefined, { key, ifRevision }: ConfigWrite): Promise<bigint> {
    checkChosenKey(keys, key)
    const revision = await changeKey(connection, { key: folder + key, value, ifModRevision: readRevision(ifRevision) })
    if (revision === undefined) throw configConflict(name, key)
    return revision
  }

  return assembleWritableConfigSource({
    name,
    capabilities,
    operationTimeoutMs,
    read: async () => toDocument(await connection.run((client) => listPrefix(client, folder))),
    follow: ({ offer, previous, signal }) =>
      followPrefix(connection, folder, { signal, onChange: (all) => offer(toDocument(all, previous())) }),
    put: async (content, write) => toEntry(write.key, content, await change(content, write)),
    remove: async (write) => void (await change(undefined, write)),
    close: () => connection.close(),
  })
}

/** What `ifRevision` is to etcd. No key has a revision that is no number: it is compared with -1. */
function readRevision(ifRevision: string | null | undefined): bigint | undefined {
  if (ifRevision === undefined) return undefined
  if (ifRevision === null) return 0n
  return /^[1-9]\d{0,17}$/.test(ifRevision) ? BigInt(ifRevision) : -1n
}
