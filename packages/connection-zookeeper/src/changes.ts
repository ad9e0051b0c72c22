import type { ZooKeeperClient } from './zookeeper-client.ts'

/** Maximum number of concurrent requests of one listing. */
const concurrency = 200

/** Options of {@link followChanges}. */
export interface ZooKeeperFollowOptions {
  /** Ends following when it aborts. */
  readonly signal: AbortSignal
  /**
   * Reads changed nodes, and sets their watches again. Called with `folder` itself at first, then with all paths that
   * changed since the last call: the folder or nodes below it.
   */
  readonly refresh: (changed: ReadonlySet<string>) => Promise<void>
  /** Called after each refresh. */
  readonly onChange: () => void
}

/**
 * Follows a folder. ZooKeeper can't watch a whole tree, and its watches fire once, so each change requires reading
 * again. Changes during a refresh are combined.
 *
 * @throws the error that ended the connection
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

/**
 * Runs an operation for all items, with limited concurrency, until one fails. @param signal starts no more operations
 * once it aborts
 */
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
