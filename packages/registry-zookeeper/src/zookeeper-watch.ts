import type { ZooKeeperConnection } from './zookeeper-connection.ts'

/** Most reads of one listing that are under way at the same time. */
const concurrency = 200

/** Reads what is below a folder's child; `undefined` if it is gone. */
export type ChildReader<T> = (connection: ZooKeeperConnection, path: string, watched: boolean) => Promise<T | undefined>

/** Options of {@link followChildren}. */
export interface FollowOptions<T> {
  /** Ends it. */
  readonly signal: AbortSignal
  readonly read: ChildReader<T>
  /** Called with everything, at first and after every change. */
  readonly onChange: (children: ReadonlyMap<string, T>) => void
}

/** Reads every child of a folder once; a missing folder has none. @param signal gives up */
export async function readChildren<T>(
  connection: ZooKeeperConnection,
  folder: string,
  read: ChildReader<T>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, T>> {
  const children = new Map<string, T>()
  const names = (await connection.children(folder)) ?? []
  await forEachAtOnce(names, signal, async (name) => {
    const child = await read(connection, `${folder}/${name}`, false)
    if (child !== undefined) children.set(name, child)
  })
  return children
}

/**
 * Follows a folder and each of its children. ZooKeeper has no watch of a whole tree and its watches fire once, so a change means to read
 * again: the list when it changed, and of the children only those that are new or changed. What happens meanwhile is taken together.
 *
 * @throws what the connection was lost by
 */
export async function followChildren<T>(
  connection: ZooKeeperConnection,
  folder: string,
  options: FollowOptions<T>,
): Promise<void> {
  const { signal, read, onChange } = options
  const { lost } = connection
  const children = new Map<string, T>()
  const changed = new Set<string>()
  let listChanged = true
  let wake = (): void => undefined
  const onEnd = (): void => wake()
  const stopListening = connection.listen(folder, (path) => {
    if (path === folder) listChanged = true
    else changed.add(path.slice(folder.length + 1))
    wake()
  })

  async function list(): Promise<void> {
    let names = await connection.children(folder, true)
    // A missing folder is waited for. One that came meanwhile is listed at once.
    while (!names && (await connection.exists(folder, true))) names = await connection.children(folder, true)
    const present = new Set(names)
    for (const name of children.keys()) if (!present.has(name)) children.delete(name)
    for (const name of present) if (!children.has(name)) changed.add(name)
  }

  async function readChanged(): Promise<void> {
    const names = [...changed]
    changed.clear()
    await forEachAtOnce(names, signal, async (name) => {
      const child = await read(connection, `${folder}/${name}`, true)
      if (child === undefined) children.delete(name)
      else children.set(name, child)
    })
  }

  lost.addEventListener('abort', onEnd)
  signal.addEventListener('abort', onEnd)
  try {
    for (;;) {
      if (listChanged) {
        listChanged = false
        await list()
      }
      await readChanged()
      if (signal.aborted) return
      onChange(children)
      while (!listChanged && changed.size === 0) {
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

async function forEachAtOnce(
  names: readonly string[],
  signal: AbortSignal,
  work: (name: string) => Promise<void>,
): Promise<void> {
  const rest = names.values()
  const worker = async (): Promise<void> => {
    for (const name of rest) {
      if (signal.aborted) return
      await work(name)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, names.length) }, worker))
}
