import { followChanges, forEachAtOnce, type ZooKeeperClient } from '@sd/connection-zookeeper'

/** Reads what is below a folder's child; `undefined` if it is gone. */
export type ChildReader<T> = (connection: ZooKeeperClient, path: string, watched: boolean) => Promise<T | undefined>

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
  connection: ZooKeeperClient,
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
  connection: ZooKeeperClient,
  folder: string,
  { signal, read, onMissing, onChange }: FollowChildrenOptions<T>,
): Promise<void> {
  const children = new Map<string, T>()

  /** @returns those that are new */
  async function list(): Promise<readonly string[]> {
    const present = await listAwaited(connection, folder, onMissing)
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

/** The children of a folder, which is watched. A missing one has none, and is waited for: one that came meanwhile is listed at once. */
async function listAwaited(
  connection: ZooKeeperClient,
  folder: string,
  onMissing: () => Promise<void>,
): Promise<ReadonlySet<string>> {
  let names = await connection.children(folder, true)
  while (!names && (await connection.exists(folder, true))) names = await connection.children(folder, true)
  if (!names) await onMissing()
  return new Set(names)
}

/** Options of {@link followFolders}. */
export interface FollowFoldersOptions<T> extends Pick<FollowChildrenOptions<T>, 'signal' | 'onMissing'> {
  /** The reader of a folder's children. */
  readonly read: (folder: string) => ChildReader<T>
  /** Whether a name is that of a folder that is followed. */
  readonly isFolder: (name: string) => boolean
  /** Called with everything, at first and after every change; then with the folders that changed. */
  readonly onChange: (folders: Folders<T>, changed?: ReadonlySet<string>) => void
}

/** Children by the name of their folder and their own. */
type Folders<T> = ReadonlyMap<string, ReadonlyMap<string, T>>

/**
 * Follows a folder, the folders in it and each of their children, on one connection: what changed is read again, and nothing else.
 *
 * @throws what the connection was lost by
 */
export function followFolders<T>(
  connection: ZooKeeperClient,
  root: string,
  { signal, read, isFolder, onMissing, onChange }: FollowFoldersOptions<T>,
): Promise<void> {
  const folders = new Map<string, Map<string, T>>()
  const touched = new Set<string>()
  let isListed = false

  function forget(folder: string): void {
    touched.add(folder)
    folders.delete(folder)
  }

  /** @returns the folders that are new */
  async function listRoot(): Promise<readonly string[]> {
    const present = await listAwaited(connection, root, onMissing)
    for (const folder of folders.keys()) if (!present.has(folder)) forget(folder)
    return [...present].filter((folder) => !folders.has(folder) && isFolder(folder))
  }

  /** @returns the paths of children that are new */
  async function listFolder(folder: string): Promise<readonly string[]> {
    const names = await connection.children(`${root}/${folder}`, true)
    if (!names) {
      forget(folder)
      return []
    }
    touched.add(folder)
    const known = folders.get(folder) ?? new Map<string, T>()
    folders.set(folder, known)
    const present = new Set(names)
    for (const name of known.keys()) if (!present.has(name)) known.delete(name)
    return names.filter((name) => !known.has(name)).map((name) => `${folder}/${name}`)
  }

  async function readChild(path: string): Promise<void> {
    const [folder = '', name = ''] = path.split('/')
    const child = await read(folder)(connection, `${root}/${path}`, true)
    touched.add(folder)
    if (child === undefined) folders.get(folder)?.delete(name)
    else folders.get(folder)?.set(name, child)
  }

  async function refresh(changed: ReadonlySet<string>): Promise<void> {
    const names = new Set([...changed].map((path) => path.slice(root.length + 1)))
    if (names.delete('')) for (const folder of await listRoot()) names.add(folder)
    const lists = [...names].filter((name) => !name.includes('/'))
    // What is deeper down belongs to somebody else.
    const children = new Set([...names].filter((name) => name.split('/').length === 2))
    await forEachAtOnce(lists, signal, async (folder) => {
      for (const path of await listFolder(folder)) children.add(path)
    })
    await forEachAtOnce([...children], signal, readChild)
  }

  return followChanges(connection, root, {
    signal,
    refresh,
    onChange() {
      const changed = isListed ? new Set(touched) : undefined
      touched.clear()
      isListed = true
      onChange(folders, changed)
    },
  })
}
