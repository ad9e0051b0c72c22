import { followChanges, forEachAtOnce, type ZooKeeperClient } from '@sd/connection-zookeeper'

/** Reads the nodes below a child of a folder, or returns `undefined` if the child was deleted. */
export type ChildReader<T> = (connection: ZooKeeperClient, path: string, watched: boolean) => Promise<T | undefined>

/** Options of {@link followChildren}. */
export interface FollowChildrenOptions<T> {
  /** Ends following when it aborts. */
  readonly signal: AbortSignal
  readonly read: ChildReader<T>
  /** Called when the folder is missing. Throws if waiting for it is impossible. */
  readonly onMissing: () => Promise<void>
  /** Called with all children, at first and after each change. */
  readonly onChange: (children: ReadonlyMap<string, T>) => void
}

/** Reads each child of a folder once; a missing folder has none. */
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
 * Follows a folder and each of its children. On a change it reads the list again, and only the children that are new or
 * changed.
 *
 * @throws the error that ended the connection
 */
export function followChildren<T>(
  connection: ZooKeeperClient,
  folder: string,
  { signal, read, onMissing, onChange }: FollowChildrenOptions<T>,
): Promise<void> {
  const children = new Map<string, T>()

  /** @returns the new children */
  async function list(): Promise<readonly string[]> {
    const present = await listAwaited(connection, folder, onMissing)
    for (const name of children.keys()) if (!present.has(name)) children.delete(name)
    return [...present].filter((name) => !children.has(name))
  }

  async function refresh(changed: ReadonlySet<string>): Promise<void> {
    const names = new Set([...changed].map((path) => path.slice(folder.length + 1)))
    if (names.delete('')) for (const name of await list()) names.add(name)
    // Nodes further down belong to other tools.
    const direct = [...names].filter((name) => !name.includes('/'))
    await forEachAtOnce(direct, signal, async (name) => {
      const child = await read(connection, `${folder}/${name}`, true)
      if (child === undefined) children.delete(name)
      else children.set(name, child)
    })
  }

  return followChanges(connection, folder, { signal, refresh, onChange: () => onChange(children) })
}

/**
 * Lists the children of a folder and watches it. A missing folder has none and is waited for; one that was created in
 * between is listed at once.
 */
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
  /** Returns the reader of a folder's children. */
  readonly read: (folder: string) => ChildReader<T>
  /** Whether to follow a folder of this name. */
  readonly isFolder: (name: string) => boolean
  /** Called with all children, at first and after each change, then with the changed folders. */
  readonly onChange: (folders: Folders<T>, changed?: ReadonlySet<string>) => void
}

/** Children by the name of their folder and their own name. */
type Folders<T> = ReadonlyMap<string, ReadonlyMap<string, T>>

/**
 * Follows a folder, its subfolders and each of their children, on one connection. Only changed nodes are read again.
 *
 * @throws the error that ended the connection
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

  /** @returns the new folders */
  async function listRoot(): Promise<readonly string[]> {
    const present = await listAwaited(connection, root, onMissing)
    for (const folder of folders.keys()) if (!present.has(folder)) forget(folder)
    return [...present].filter((folder) => !folders.has(folder) && isFolder(folder))
  }

  /** @returns the paths of new children */
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
    // Nodes further down belong to other tools.
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
