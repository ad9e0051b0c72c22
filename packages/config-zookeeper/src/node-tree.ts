import { followChanges, forEachAtOnce, missingChroot, type ReadNode, type ZooKeeperClient } from '@sd/connection-zookeeper'
import { SdError } from '@sd/core'
import type { ResolvedZooKeeperConfigSourceOptions } from './options.ts'

/** Maximum number of nodes of one source, including folders. */
const maxNodes = 10_000

/** Maximum number of characters of one source. */
const maxCharacters = 67_108_864

/** Nodes by path. */
export type FoundNodes = ReadonlyMap<string, ReadNode>

/** Options of {@link readNodes}. */
export interface ReadNodesOptions {
  readonly settings: Pick<ResolvedZooKeeperConfigSourceOptions, 'root' | 'chroot' | 'keys' | 'name'>
  /** Aborts the read. */
  readonly signal: AbortSignal
}

/** Options of {@link followNodes}. */
export interface FollowNodesOptions extends ReadNodesOptions {
  /** Called with all nodes, at first and after every change. */
  readonly onChange: (nodes: FoundNodes) => void
}

interface NodeTree {
  /** The nodes read so far. */
  nodes(): FoundNodes
  /** Reads these nodes and new nodes below them, level by level. */
  refresh(paths: Iterable<string>): Promise<void>
}

/** Reads the nodes of the keys, or everything below the root, once. @throws SdError `SD_TOO_LARGE`; `SD_NOT_FOUND` without the chroot */
export async function readNodes(connection: ZooKeeperClient, options: ReadNodesOptions): Promise<FoundNodes> {
  const tree = createNodeTree(connection, options, false)
  await tree.refresh([options.settings.root])
  return tree.nodes()
}

/** Reads the nodes, and changed nodes again, until `signal` aborts. @throws SdError as {@link readNodes}, and when the connection breaks */
export function followNodes(connection: ZooKeeperClient, options: FollowNodesOptions): Promise<void> {
  const tree = createNodeTree(connection, options, true)
  return followChanges(connection, options.settings.root, {
    signal: options.signal,
    refresh: tree.refresh,
    onChange: () => options.onChange(tree.nodes()),
  })
}

function createNodeTree(connection: ZooKeeperClient, options: ReadNodesOptions, watched: boolean): NodeTree {
  const { signal, settings } = options
  const { root, chroot, keys, name } = settings
  const starts = new Set(keys ? keys.map((key) => `${root}/${key}`) : [root])
  const found = new Map<string, { readonly node: ReadNode; readonly below: readonly string[] }>()
  let characters = 0

  function forget(path: string): void {
    const removed = found.get(path)
    if (!removed) return
    found.delete(path)
    characters -= removed.node.text.length
    for (const below of removed.below) forget(below)
  }

  /** @returns the new children */
  function remember(path: string, node: ReadNode, names: readonly string[]): readonly string[] {
    const before = found.get(path)
    const below = names.map((one) => `${path}/${one}`)
    const present = new Set(below)
    for (const one of before?.below ?? []) if (!present.has(one)) forget(one)
    found.set(path, { node, below })
    characters += node.text.length - (before?.node.text.length ?? 0)
    return below.filter((one) => !found.has(one))
  }

  /** @returns the paths to read next */
  async function readNode(path: string): Promise<readonly string[]> {
    const [node, names] = await Promise.all([connection.read(path, watched), keys ? [] : connection.children(path, watched)])
    if (node && names) return remember(path, node, names)
    forget(path)
    if (!starts.has(path)) return []
    // Waits for a missing node. A node created in the meantime is read at once.
    if (watched && (await connection.exists(path, true))) return [path]
    // Retryable: the chroot can be created later, although the option may also be wrong.
    if (chroot && !(await connection.exists(chroot))) throw missingChroot(chroot, { retryable: true })
    return []
  }

  function checkSize(count: number): void {
    if (count <= maxNodes && characters <= maxCharacters) return
    const got = count > maxNodes ? `more than ${maxNodes} nodes` : `more than ${maxCharacters} characters`
    throw new SdError('SD_TOO_LARGE', `${name}: ${root} has ${got}`, { retryable: true })
  }

  return {
    nodes: () => new Map([...found].map(([path, { node }]) => [path, node])),
    async refresh(paths) {
      let level = [...paths].flatMap((path) => (path === root ? [...starts] : path))
      while (level.length > 0) {
        const next: string[] = []
        await forEachAtOnce(level, signal, async (path) => {
          next.push(...(await readNode(path)))
          checkSize(found.size + next.length)
        })
        level = next
      }
    },
  }
}
