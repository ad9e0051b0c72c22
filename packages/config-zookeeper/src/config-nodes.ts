import { type ConfigWrite, checkRevision, contentionError } from '@sd/adapter-kit'
import { createFolder, type NodeStat, parentOf, type ReadNode, type ZooKeeperClient } from '@sd/connection-zookeeper'
import type { ResolvedZooKeeperConfigSourceOptions } from './options.ts'

/** Options of {@link putNode} and {@link removeNode}. */
export interface WriteOptions {
  readonly settings: Pick<ResolvedZooKeeperConfigSourceOptions, 'chroot' | 'name'>
  readonly write: ConfigWrite
}

/** Maximum number of attempts of an operation with several steps while others change the node. */
const maxAttempts = 10

/**
 * Revision of a node, which differs after every write. ZooKeeper compares only `version`, which starts at 0 again when a node
 * is removed and created again; `mzxid` does not.
 */
export function revisionOf({ mzxid, version }: Pick<NodeStat, 'mzxid' | 'version'>): string {
  return `${mzxid}.${version}`
}

/** Creates or changes a node, including parent folders. @returns its metadata after the write @throws SdError `SD_CONFLICT` */
export async function putNode(
  connection: ZooKeeperClient,
  path: string,
  content: string,
  { settings, write }: WriteOptions,
): Promise<NodeStat> {
  const data = Buffer.from(content)
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const node = await readChecked(connection, path, { settings, write })
    const stat = node
      ? await connection.write(path, data, comparedVersion(node, write))
      : await createNode(connection, path, data, settings.chroot)
    if (stat) return stat
  }
  throw contentionError(path, maxAttempts)
}

/** Removes a node; one with children stays as their folder. @throws SdError `SD_CONFLICT` */
export async function removeNode(connection: ZooKeeperClient, path: string, { settings, write }: WriteOptions): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const node = await readChecked(connection, path, { settings, write })
    if (!node?.text) return
    const version = comparedVersion(node, write)
    const removed =
      node.numChildren > 0 ? await connection.write(path, Buffer.alloc(0), version) : await connection.remove(path, version)
    if (removed) return
  }
  throw contentionError(path, maxAttempts)
}

/** Reads a node and compares its revision with the expected one. A node without data is a folder, not an entry. */
async function readChecked(
  connection: ZooKeeperClient,
  path: string,
  { settings, write }: WriteOptions,
): Promise<ReadNode | undefined> {
  const node = await connection.read(path)
  checkRevision(settings.name, write, node?.text ? revisionOf(node) : undefined)
  // Nothing more is sent after the operation was aborted.
  write.signal.throwIfAborted()
  return node
}

async function createNode(
  connection: ZooKeeperClient,
  path: string,
  data: Buffer,
  chroot: string,
): Promise<NodeStat | undefined> {
  const created = await connection.create(path, data)
  if (created === 'no parent') await createFolder(connection, parentOf(path), chroot)
  if (created !== 'created') return undefined
  const stat = await connection.exists(path)
  // Another writer may have changed or removed it since.
  return stat && { ...stat, version: 0, mzxid: stat.czxid }
}

function comparedVersion({ version }: ReadNode, { ifRevision }: ConfigWrite): number | undefined {
  return ifRevision === undefined ? undefined : version
}
