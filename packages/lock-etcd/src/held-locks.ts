import { type EtcdConnection, type KeyValue, type KeyValues, listRange } from '@sd/connection-etcd'
import { escapeName, type HeldLock, type LockList, unescapeName } from '@sd/core'
import { toHolder } from './contenders.ts'

/** Keys per request. With values of the maximum length, a response has 4 MB. */
const pageSize = 1_000

/** What {@link listHeldLocks} lists. */
export interface Listing {
  /** Folder of all locks, with its trailing slash. */
  readonly root: string
  /** Beginning of the names. */
  readonly prefix: string
  /** Maximum number of locks. */
  readonly limit: number
}

/**
 * Lists held locks in pages. A lock whose contenders exceed a page costs one more request: for its oldest contender. So
 * the number of requests depends on the number of locks, not on the number of contenders.
 */
export async function listHeldLocks(
  connection: EtcdConnection,
  { root, prefix, limit }: Listing,
  signal: AbortSignal,
): Promise<LockList> {
  const locks: HeldLock[] = []
  const range = { prefix: `${root}${escapeName(prefix)}`, limit: pageSize }
  let from: string | undefined
  while (locks.length <= limit) {
    // Each request has the time limit of the connection.
    signal.throwIfAborted()
    const page = await connection.run((client) => listRange(client, { ...range, ...(from !== undefined && { from }) }))
    const folders = groupByFolder(page, root)
    const last = [...folders.keys()].at(-1)
    if (last !== undefined && page.hasMore) {
      folders.set(last, await connection.run((client) => listRange(client, { prefix: last, limit: 1, oldestFirst: true })))
    }
    for (const [folder, contenders] of folders) {
      const holder = toHolder(contenders)
      if (holder) locks.push({ key: unescapeName(folder.slice(root.length, -1)), ...holder })
    }
    if (!page.hasMore) break
    from = last === undefined ? nextOf([...page.entries.keys()].at(-1) ?? '') : behind(last)
  }
  return { locks: locks.slice(0, limit), isTruncated: locks.length > limit }
}

/** Groups contenders by the folder of their lock. Keys of other writers, outside of a folder, are left out. */
function groupByFolder({ entries, revision }: KeyValues, root: string): Map<string, KeyValues> {
  const folders = new Map<string, KeyValues & { readonly entries: Map<string, KeyValue> }>()
  for (const [key, value] of entries) {
    const end = key.indexOf('/', root.length)
    if (end < 0) continue
    const folder = key.slice(0, end + 1)
    const found = folders.get(folder) ?? { entries: new Map(), revision }
    found.entries.set(key, value)
    folders.set(folder, found)
  }
  return folders
}

/** The first key behind all keys of a folder: the character after the slash is 0. */
function behind(folder: string): string {
  return `${folder.slice(0, -1)}0`
}

/** The first key behind a key. */
function nextOf(key: string): string {
  return `${key}\0`
}
