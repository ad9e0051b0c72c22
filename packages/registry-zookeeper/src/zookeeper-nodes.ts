import { contentionError, readIncarnation } from '@sd/adapter-kit'
import { createFolder, isDenied, parentOf, type ReadNode, type ZooKeeperClient } from '@sd/connection-zookeeper'

/** Options of {@link putNode}. */
export interface PutOptions {
  /** A path that is never created. */
  readonly chroot: string
  /** Sends no more requests once it aborts: an abandoned attempt must not undo a later one. */
  readonly signal: AbortSignal
}

/** Maximum number of attempts for an operation of several steps when another client changes the node in between. */
const maxAttempts = 10

/**
 * Creates or changes the node of an instance, including its folders. Replaces a node of another session, such as a
 * previous one of this process, because that node would expire with its session.
 */
export async function putNode(connection: ZooKeeperClient, path: string, data: Buffer, options: PutOptions): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    options.signal.throwIfAborted()
    const created = await connection.create(path, data, 'session')
    if (created === 'created') return
    if (created === 'no parent') await createFolder(connection, parentOf(path), options.chroot)
    else if (await overwrite(connection, path, data, options.signal)) return
  }
  throw contentionError(path, maxAttempts)
}

async function overwrite(connection: ZooKeeperClient, path: string, data: Buffer, signal: AbortSignal): Promise<boolean> {
  try {
    const node = await connection.read(path)
    if (!node) return false
    signal.throwIfAborted()
    if (node.own) return node.text === data.toString() || (await connection.write(path, data)) !== undefined
  } catch (error) {
    // The access list is of another client, or of our previous credentials. Replacing the node requires rights to its
    // folder only.
    if (!isDenied(error)) throw error
  }
  return connection.replace(path, data)
}

/** Removes the node of an instance if this registration still owns it. */
export async function removeNode(connection: ZooKeeperClient, path: string, incarnation: string): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const node: ReadNode | undefined = await connection.read(path)
    if (!node || readIncarnation(node.text) !== incarnation) return
    if (await connection.remove(path, node.version)) return
  }
  throw contentionError(path, maxAttempts)
}
