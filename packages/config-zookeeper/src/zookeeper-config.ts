import { createSession, type NodeStat } from '@sd/connection-zookeeper'
import {
  assembleWritableConfigSource,
  type ConfigDocument,
  type ConfigEntry,
  checkChosenKey,
  createConfigDocument,
  formatOfKey,
  invalid,
  isConfigKey,
  type WritableConfigSource,
} from '@sd/core'
import { putNode, removeNode, revisionOf } from './config-nodes.ts'
import { type FoundNodes, followNodes, readNodes } from './node-tree.ts'
import { checkKey, readOptions, type ZooKeeperConfigSourceOptions } from './options.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: false } as const

/** Longest text: ZooKeeper takes packets of 1 MiB, path and access list included. */
const maxBytes = 1_000_000

/**
 * Configuration in ZooKeeper: every node below a prefix that has data is an entry.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createZooKeeperConfigSource(options: ZooKeeperConfigSourceOptions = {}): WritableConfigSource {
  const settings = readOptions(options)
  const { root, keys, format, name, operationTimeoutMs } = settings
  const session = createSession({ settings })

  const pathOf = (key: string): string => `${root}/${key}`

  function toEntry(key: string, content: string, stat: NodeStat): ConfigEntry {
    return { key, content, format: format ?? formatOfKey(key), revision: revisionOf(stat), updatedAt: stat.mtimeMs }
  }

  function toDocument(nodes: FoundNodes, previous?: ConfigDocument): ConfigDocument {
    const order =
      keys ??
      [...nodes.keys()]
        .map((path) => path.slice(root.length + 1))
        .filter(isConfigKey)
        .sort()
    const entries = order.flatMap((key) => {
      const node = nodes.get(pathOf(key))
      return node?.text ? [toEntry(key, node.text, node)] : []
    })
    return createConfigDocument(name, entries, previous)
  }

  function checkWritable(key: string): void {
    checkKey('key', key)
    checkChosenKey(keys, key)
  }

  return assembleWritableConfigSource({
    name,
    capabilities,
    operationTimeoutMs,
    backoff: { baseMs: 200, maxMs: 2_000 },
    maxBytes,
    read: async ({ signal }) => toDocument(await session.run((connection) => readNodes(connection, { settings, signal }))),
    follow: ({ offer, previous, signal }) =>
      session.run((connection) =>
        followNodes(connection, { settings, signal, onChange: (nodes) => offer(toDocument(nodes, previous())) }),
      ),
    async put(content, write) {
      checkWritable(write.key)
      if (content === '') throw invalid('content', content, 'some text: a node without data is a folder')
      const path = pathOf(write.key)
      const stat = await session.run((connection) => putNode(connection, path, content, { settings, write }))
      return toEntry(write.key, content, stat)
    },
    async remove(write) {
      checkWritable(write.key)
      await session.run((connection) => removeNode(connection, pathOf(write.key), { settings, write }))
    },
    close: () => session.close(),
  })
}
