import {
  type AllServices,
  createWatchHub,
  type ReadOnlyRegistry,
  type ServiceSnapshot,
  type Watched,
  type WatchHub,
} from '@sd/core'
import { checkListable, checkWatchable } from './capabilities.ts'
import { createFeed, type Feed } from './feed.ts'
import type { MemberPool } from './member-pool.ts'
import { createSnapshotMerger, type Merger, namesMerger, servicesMerger } from './merge.ts'

/** All watches of a failover registry. */
export interface Feeds {
  /** Watches of services. */
  readonly snapshots: WatchHub<ServiceSnapshot>
  /** Watches of the set of services. They ignore the key. */
  readonly serviceNames: WatchHub<readonly string[]>
  /** Watches of all services. They ignore the key. */
  readonly everything: WatchHub<AllServices>
  /** Resolves once every watch follows the members that are read now. */
  moved(): Promise<void>
  /** Ends every watch. */
  close(): Promise<void>
}

// A new session continues with the members of the previous one, so a longer backoff has no benefit.
const backoff = { baseMs: 50, maxMs: 500 }

/** Creates the watches. They follow the members that are read, and move when these change. */
export function createFeeds(name: string, pool: MemberPool): Feeds {
  const feeds = new Set<Pick<Feed<unknown>, 'reconcile' | 'moved' | 'end'>>()
  pool.onMove(() => {
    for (const feed of feeds) feed.reconcile()
  })

  function createHub<T>(
    mergerOf: (key: string) => Merger<T>,
    watch: (source: ReadOnlyRegistry, key: string, signal: AbortSignal) => AsyncIterable<Watched<T>>,
    check: () => void = () => {},
  ): WatchHub<T> {
    const byKey = new Map<string, Feed<T>>()
    function open(key: string): Feed<T> {
      const feed = createFeed<T>({
        merger: mergerOf(key),
        watch: ({ settings: { source } }, left) => watch(source, key, left),
        wanted: () => pool.reading,
        limitMs: () => pool.settings.operationTimeoutMs,
        onEnd() {
          feeds.delete(feed)
          byKey.delete(key)
        },
      })
      feeds.add(feed)
      byKey.set(key, feed)
      return feed
    }
    return createWatchHub<T>({
      name,
      backoff,
      session: async (key, session) => {
        check()
        await (byKey.get(key) ?? open(key)).run(session)
      },
    })
  }

  const snapshots = createHub(
    (service) => createSnapshotMerger(service, name),
    (source, service, signal) => source.watch(service, { signal }),
  )
  const serviceNames = createHub(
    () => namesMerger,
    (source, _key, signal) => source.watchServices({ signal }),
    () => checkListable(name, pool.members),
  )
  const everything = createHub(
    () => servicesMerger(name),
    (source, _key, signal) => source.watchAll({ signal }),
    () => checkWatchable(name, pool.members),
  )

  return {
    snapshots,
    serviceNames,
    everything,
    async moved() {
      await Promise.all(Array.from(feeds, (feed) => feed.moved()))
    },
    async close() {
      for (const feed of feeds) feed.end()
      await Promise.all([snapshots.close(), serviceNames.close(), everything.close()])
    },
  }
}
