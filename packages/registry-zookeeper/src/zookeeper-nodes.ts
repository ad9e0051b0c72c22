import { readIncarnation } from '@sd/adapter-kit'
import { createFolder, isDenied, parentOf, type ReadNode, type ZooKeeperClient } from '@sd/connection-zookeeper'
import { SdError } from '@sd/core'

/** Options of {@link putNode}. */
export interface PutOptions {
  /** A path that is never created. */
  readonly chroot: string
  /** Nothing more is sent once it fired: an attempt that was given up must not undo a later one. */
  readonly signal: AbortSignal
}

/** How often an operation of several steps is begun again because somebody else changed the node in between. */
const maxAttempts = 10

/**
 * Creates or changes the node of an instance, folders included. A node of another session, such as the one that this process had before, is
 * replaced: writing to it would not keep it from going with that session.
 */
export async function putNode(connection: ZooKeeperClient, path: string, data: Buffer, options: PutOptions): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    options.signal.throwIfAborted()
    const created = await connection.create(path, data, 'session')
    if (created === 'created') return
    if (created === 'no parent') await createFolder(connection, parentOf(path), options.chroot)
    else if (await overwrite(connection, path, data, options.signal)) return
  }
  throw changing(path)
}

async function overwrite(connection: ZooKeeperClient, path: string, data: Buffer, signal: AbortSignal): Promise<boolean> {
  try {
    const node = await connection.read(path)
    if (!node) return false
    signal.throwIfAborted()
    if (node.own) return node.text === data.toString() || (await connection.write(path, data)) !== undefined
  } catch (error) {
    // Somebody else's access list, or our own from before the credentials changed. Replacing needs rights to the folder only.
    if (!isDenied(error)) throw error
  }
  return connection.replace(path, data)
}

/** Removes the node of an instance, if it is still what this registration put there. */
export async function removeNode(connection: ZooKeeperClient, path: string, incarnation: string): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const node: ReadNode | undefined = await connection.read(path)
    if (!node || readIncarnation(node.text) !== incarnation) return
    if (await connection.remove(path, node.version)) return
  }
  throw changing(path)
}

function changing(path: string): SdError {
  return new SdError('SD_CONFLICT', `${path} is changed by others all the time`, { retryable: true })
}
