import type { ZooKeeperClient } from './zookeeper-client.ts'

/** Most requests of one listing that are under way at the same time. */
const concurrency = 200

/** Options of {@link followChanges}. */
export interface ZooKeeperFollowOptions {
  /** Ends it. */
  readonly signal: AbortSignal
  /**
   * Reads what changed, and arms the watches of what it reads again. Called with `folder` itself first, and then with all paths that changed
   * since the last call: itself or below.
   */
  readonly refresh: (changed: ReadonlySet<string>) => Promise<void>
  /** Called after every refresh. */
  readonly onChange: () => void
}

/**
 * Follows a folder. ZooKeeper has no watch of a whole tree and its watches fire once, so a change means to read again, and what happens
 * meanwhile is taken together.
 *
 * @throws what the connection was lost by
 */
export async function followChanges(
  connection: ZooKeeperClient,
  folder: string,
  { signal, refresh, onChange }: ZooKeeperFollowOptions,
): Promise<void> {
  const { lost } = connection
  let changed = new Set([folder])
  let wake = (): void => undefined
  const onEnd = (): void => wake()
  const stopListening = connection.listen(folder, (path) => {
    changed.add(path)
    wake()
  })
  lost.addEventListener('abort', onEnd)
  signal.addEventListener('abort', onEnd)
  try {
    for (;;) {
      const batch = changed
      changed = new Set()
      await refresh(batch)
      if (signal.aborted) return
      onChange()
      while (changed.size === 0) {
        if (lost.aborted) throw lost.reason
        if (signal.aborted) return
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    stopListening()
    lost.removeEventListener('abort', onEnd)
    signal.removeEventListener('abort', onEnd)
  }
}

/** Does the same with all of them, a bounded number at the same time, until one fails. @param signal begins no more once it fired */
export async function forEachAtOnce<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  let failed = false
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      if (failed || signal.aborted) return
      try {
        await work(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker))
}
