import {
  assembleWritableConfigSource,
  type ConfigText,
  checkChosenKey,
  createConfigDocument,
  selectEntries,
  toConfigEntry,
} from '@sd/adapter-kit'
import { createZooKeeperConnection, type NodeStat } from '@sd/connection-zookeeper'
import { type ConfigDocument, invalidError, type WritableConfigSource } from '@sd/core'
import { putNode, removeNode, revisionOf } from './config-nodes.ts'
import { type FoundNodes, followNodes, readNodes } from './node-tree.ts'
import { checkKey, resolveZooKeeperConfigSourceOptions, type ZooKeeperConfigSourceOptions } from './options.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: false } as const

/** Maximum size of a text, in bytes: ZooKeeper accepts packets of 1 MiB, including path and access list. */
const maxBytes = 1_000_000

/**
 * Creates a source on ZooKeeper. Every node with data below the prefix is an entry.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createZooKeeperConfigSource(options: ZooKeeperConfigSourceOptions = {}): WritableConfigSource {
  const settings = resolveZooKeeperConfigSourceOptions(options)
  const { root, keys, name, operationTimeoutMs } = settings
  const session = createZooKeeperConnection({ settings })

  const pathOf = (key: string): string => `${root}/${key}`

  function toText(content: string, stat: NodeStat): ConfigText {
    return { content, revision: revisionOf(stat), updatedAt: stat.updatedAt }
  }

  function toDocument(nodes: FoundNodes, previous?: ConfigDocument): ConfigDocument {
    const texts = new Map<string, ConfigText>()
    const unreadable = new Set<string>()
    for (const [path, node] of nodes) {
      if (!node.text) continue
      const key = path.slice(root.length + 1)
      texts.set(key, toText(node.text, node))
      if (!node.isText) unreadable.add(key)
    }
    return createConfigDocument(name, selectEntries(settings, texts, { source: name, keys: unreadable }), previous)
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
      if (content === '') throw invalidError('content', content, 'a non-empty text (a node without data is a folder)')
      const path = pathOf(write.key)
      const stat = await session.run((connection) => putNode(connection, path, content, { settings, write }))
      return toConfigEntry(settings, write.key, toText(content, stat))
    },
    async remove(write) {
      checkWritable(write.key)
      await session.run((connection) => removeNode(connection, pathOf(write.key), { settings, write }))
    },
    close: () => session.close(),
  })
}
