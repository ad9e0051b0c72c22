import { followChanges, forEachAtOnce, type ZooKeeperConnection } from '@sd/connection-zookeeper'

/** Reads what is below a folder's child; `undefined` if it is gone. */
export type ChildReader<T> = (connection: ZooKeeperConnection, path: string, watched: boolean) => Promise<T | undefined>

/** Options of {@link followChildren}. */
export interface FollowChildrenOptions<T> {
  /** Ends it. */
  readonly signal: AbortSignal
  readonly read: ChildReader<T>
  /** Called when the folder is missing: throws if it can't even be waited for. */
  readonly onMissing: () => Promise<void>
  /** Called with everything, at first and after every change. */
  readonly onChange: (children: ReadonlyMap<string, T>) => void
}

/** Reads every child of a folder once; a missing folder has none. */
export async function readChildren<T>(
  connection: ZooKeeperConnection,
  folder: string,
  { read, onMissing, signal }: Omit<FollowChildrenOptions<T>, 'onChange'>,
): Promise<ReadonlyMap<string, T>> {
  const children = new Map<string, T>()
  const names = await connection.children(folder)
  if (!names) {
    await onMissing()
    return children
  }
  await forEachAtOnce(names, signal, async (name) => {
    const child = await read(connection, `${folder}/${name}`, false)
    if (child !== undefined) children.set(name, child)
  })
  return children
}

/**
 * Follows a folder and each of its children: reads the list again when it changed, and of the children only those that are new or changed.
 *
 * @throws what the connection was lost by
 */
export function followChildren<T>(
  connection: ZooKeeperConnection,
  folder: string,
  { signal, read, onMissing, onChange }: FollowChildrenOptions<T>,
): Promise<void> {
  const children = new Map<string, T>()

  /** @returns those that are new */
  async function list(): Promise<readonly string[]> {
    let names = await connection.children(folder, true)
    // A missing folder is waited for. One that came meanwhile is listed at once.
    while (!names && (await connection.exists(folder, true))) names = await connection.children(folder, true)
    if (!names) await onMissing()
    const present = new Set(names)
    for (const name of children.keys()) if (!present.has(name)) children.delete(name)
    return [...present].filter((name) => !children.has(name))
  }

  async function refresh(changed: ReadonlySet<string>): Promise<void> {
    const names = new Set([...changed].map((path) => path.slice(folder.length + 1)))
    if (names.delete('')) for (const name of await list()) names.add(name)
    // What is deeper down belongs to somebody else.
    const direct = [...names].filter((name) => !name.includes('/'))
    await forEachAtOnce(direct, signal, async (name) => {
      const child = await read(connection, `${folder}/${name}`, true)
      if (child === undefined) children.delete(name)
      else children.set(name, child)
    })
  }

  return followChanges(connection, folder, { signal, refresh, onChange: () => onChange(children) })
}
