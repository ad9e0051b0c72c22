import { isUtf8 } from 'node:buffer'
import { type Etcd3, type IKeyValue, type IWatchResponse, Range, type Watcher } from 'etcd3'
import type { EtcdConnection } from './etcd-connection.ts'

/** A key's value and revisions. */
export interface KeyValue {
  /** Its value; empty with `keysOnly`. */
  readonly text: string
  /** Whether the value is valid UTF-8; otherwise `text` has replacement characters. */
  readonly isText: boolean
  /** The revision in which the key was created. */
  readonly createRevision: bigint
  /** The revision in which it was last changed. */
  readonly modRevision: bigint
  /** Id of the lease to which the key is bound; '0' for none. A write without the lease detaches the key from it. */
  readonly lease: string
}

/** Keys and values below a prefix at one revision. */
export interface KeyValues {
  /** By key. */
  readonly entries: ReadonlyMap<string, KeyValue>
  /** The revision. */
  readonly revision: string
}

interface ListedKeyValues extends KeyValues {
  readonly entries: Map<string, KeyValue>
}

/** Options of {@link followPrefix}. */
export interface EtcdFollowOptions {
  /** Ends following when it aborts. */
  readonly signal: AbortSignal
  /** Called with all keys, at first and after each change, then with the changed keys. */
  readonly onChange: (all: KeyValues, changed?: ReadonlySet<string>) => void
  /** Whether to leave out values. @default false */
  readonly keysOnly?: boolean
}

/**
 * Runs one session: lists, then follows from the next revision. The library would continue after a broken connection,
 * but misses events then and does not recover from a compaction. Here any error ends the session, and the next one
 * lists again.
 */
export async function followPrefix(connection: EtcdConnection, prefix: string, options: EtcdFollowOptions): Promise<void> {
  const { signal, keysOnly = false, onChange } = options
  const { entries, revision } = await connection.run((client) => listPrefix(client, prefix, keysOnly))
  if (signal.aborted) return
  onChange({ entries, revision })
  await connection.stay(async (client) => {
    const watcher = client
      .watch()
      .prefix(prefix)
      .startRevision(String(BigInt(revision) + 1n))
      .watcher()
    try {
      await follow(watcher, entries, options)
    } finally {
      watcher.removeAllListeners()
      // Without a listener it would throw, and it waits for a response that may never arrive.
      watcher.on('error', () => undefined)
      watcher.cancel().catch(() => undefined)
    }
  })
}

/** Lists all keys below a prefix at one revision. */
export async function listPrefix(client: Etcd3, prefix: string, keysOnly: boolean = false): Promise<ListedKeyValues> {
  const { start, end } = Range.prefix(prefix)
  const { kvs, header } = await client.kv.range({ key: start, range_end: end, keys_only: keysOnly })
  return { entries: new Map(kvs.map((kv) => [kv.key.toString(), toKeyValue(kv)])), revision: header.revision }
}

/** Options of {@link listRange}. */
export interface EtcdRange {
  /** Prefix of the keys. */
  readonly prefix: string
  /** The first key. @default the first one with the prefix */
  readonly from?: string
  /** Maximum number of keys. */
  readonly limit: number
  /** Whether the keys that were created first come first, instead of those that sort first. @default false */
  readonly oldestFirst?: boolean
}

/** Lists some keys below a prefix, in order. @returns them, and whether there are more */
export async function listRange(client: Etcd3, options: EtcdRange): Promise<KeyValues & { readonly hasMore: boolean }> {
  const { prefix, limit, oldestFirst = false } = options
  const { start, end } = Range.prefix(prefix)
  const { kvs, header, more } = await client.kv.range({
    key: options.from === undefined ? start : Buffer.from(options.from),
    range_end: end,
    limit,
    // Any order but none makes etcd read all keys first. Without one, they are sorted by key.
    sort_order: oldestFirst ? 'Ascend' : 'None',
    sort_target: oldestFirst ? 'Create' : 'Key',
  })
  return {
    entries: new Map(kvs.map((kv) => [kv.key.toString(), toKeyValue(kv)])),
    revision: header.revision,
    hasMore: more,
  }
}

async function follow(watcher: Watcher, entries: Map<string, KeyValue>, options: EtcdFollowOptions): Promise<void> {
  const { signal, onChange } = options
  const ended = Promise.withResolvers<void>()
  const stop = (): void => ended.resolve()
  const fail = (error: unknown): void => ended.reject(error ?? new Error('the watch ended'))
  watcher.on('error', fail)
  watcher.on('disconnected', fail)
  watcher.on('data', ({ events, header }: IWatchResponse) => {
    if (events.length === 0) return
    const changed = new Set<string>()
    for (const { type, kv } of events) {
      const key = kv.key.toString()
      changed.add(key)
      if (String(type) === 'Delete') entries.delete(key)
      else entries.set(key, toKeyValue(kv))
    }
    // An exception here would go to the library, which would hide it or end the process.
    try {
      onChange({ entries, revision: header.revision }, changed)
    } catch (error) {
      fail(error)
    }
  })
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    await ended.promise
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function toKeyValue({ value, create_revision, mod_revision, lease }: IKeyValue): KeyValue {
  const revisions = { createRevision: BigInt(create_revision), modRevision: BigInt(mod_revision) }
  return { text: value.toString(), isText: isUtf8(value), ...revisions, lease: String(lease) }
}
