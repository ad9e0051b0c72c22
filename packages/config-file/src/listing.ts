import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isConfigKey } from '@sd/adapter-kit'
import { fileError, ifThere } from './file-errors.ts'
import type { ResolvedFileConfigSourceOptions } from './options.ts'

/** Maximum size of a file, in bytes. */
export const maxFileBytes = 1_048_576
/** Maximum total size of all files, in bytes. */
const maxTotalBytes = 67_108_864
/** Maximum number of files and folders. */
const maxFiles = 10_000
/** Number of files that are checked or read at once. */
const parallelism = 16

/** Metadata of a file. */
export interface FoundFile {
  readonly key: string
  readonly path: string
  /** Differs after every change, within the resolution of the file system's clock. */
  readonly stamp: string
  /** When its content was last written, in Unix milliseconds. */
  readonly updatedAt: number
  /** When content or metadata last changed, including the name, in Unix milliseconds. */
  readonly changedAt: number
}

/** A folder whose changes can affect the files. */
export interface FoundFolder {
  readonly path: string
  /** Identity of the folder; differs if another folder is in its place. */
  readonly identity: string
  /** If set, only changes of this name in the folder matter. */
  readonly only?: string
}

/** The files and folders found. */
export interface Listing {
  readonly files: readonly FoundFile[]
  /** Expected paths that do not exist. */
  readonly missing: readonly string[]
  readonly folders: readonly FoundFolder[]
}

/** Whether two listings have the same files, none of which has changed. */
export function isSameListing(a: Listing, b: Listing): boolean {
  return (
    a.files.length === b.files.length &&
    a.missing.length === b.missing.length &&
    a.files.every(({ key, stamp }, index) => key === b.files[index]?.key && stamp === b.files[index].stamp)
  )
}

/** Whether a name in a directory is ignored: hidden files, including the internal folders of Kubernetes volumes, and editor backups. */
export function isIgnored(name: string): boolean {
  return name.startsWith('.') || name.endsWith('~') || (name.startsWith('#') && name.endsWith('#'))
}

/** Lists all files without reading them. Links are followed. */
export async function listFiles(
  { directory, keys, name }: ResolvedFileConfigSourceOptions,
  signal: AbortSignal,
): Promise<Listing> {
  const files: FoundFile[] = []
  const missing: string[] = []
  const folders: FoundFolder[] = []
  let bytes = 0n

  function addFile(key: string, path: string, stats: BigIntStats): void {
    if (stats.size > maxFileBytes) throw fileError('SD_TOO_LARGE', `${name}: ${path} has more than ${maxFileBytes} bytes`)
    bytes += stats.size
    if (bytes > maxTotalBytes) throw fileError('SD_TOO_LARGE', `${name}: ${directory} has more than ${maxTotalBytes} bytes`)
    const { size, mtimeNs, ctimeNs } = stats
    const [updatedAt, renamedAt] = [Number(stats.mtimeMs), Number(stats.ctimeMs)]
    const stamp = `${identityOf(stats)}:${size}:${mtimeNs}:${ctimeNs}`
    files.push({ key, path, stamp, updatedAt, changedAt: Math.max(updatedAt, renamedAt) })
  }

  async function addFolder(path: string, stats: BigIntStats, prefix: string, above: readonly string[]): Promise<void> {
    const identity = identityOf(stats)
    folders.push({ path, identity })
    const names = (await ifThere(readdir(path))) ?? []
    const wanted = names.filter((found) => !isIgnored(found) && isConfigKey(prefix + found))
    if (files.length + folders.length + wanted.length > maxFiles) {
      throw fileError('SD_TOO_LARGE', `${name}: ${directory} has more than ${maxFiles} files`)
    }
    const found = await mapLimited(wanted, signal, async (child) => ({ child, stats: await look(join(path, child)) }))
    for (const { child, stats } of found) {
      // Removed since the listing, or a dangling link.
      if (!stats) continue
      if (stats.isFile()) addFile(prefix + child, join(path, child), stats)
      // A link to a parent folder would be an infinite loop.
      else if (stats.isDirectory() && ![...above, identity].includes(identityOf(stats))) {
        await addFolder(join(path, child), stats, `${prefix}${child}/`, [...above, identity])
      }
    }
  }

  async function addKeys(wanted: readonly string[]): Promise<void> {
    const found = await mapLimited(wanted, signal, async (key) => ({ key, stats: await look(join(directory, key)) }))
    for (const { key, stats } of found) {
      const path = join(directory, key)
      if (!stats) missing.push(path)
      else if (stats.isFile()) addFile(key, path, stats)
      else throw fileError('SD_CONFLICT', `${name}: ${path} is not a regular file`)
    }
    for (const path of new Set([directory, ...wanted.map((key) => dirname(join(directory, key)))])) {
      const stats = await look(path)
      if (stats) folders.push({ path, identity: identityOf(stats) })
    }
  }

  // The directory itself can be replaced, for example if it is a link.
  const parent = await look(dirname(directory))
  if (parent) folders.push({ path: dirname(directory), identity: identityOf(parent), only: basename(directory) })
  if (keys) {
    await addKeys(keys)
  } else {
    const root = await look(directory)
    if (!root) missing.push(directory)
    else if (root.isDirectory()) await addFolder(directory, root, '', [])
    else throw fileError('SD_CONFLICT', `${name}: ${directory} is not a directory`)
    files.sort((a, b) => (a.key < b.key ? -1 : 1))
  }
  return { files, missing, folders }
}

/** Calls `fn` for every item, for a few at once. */
export async function mapLimited<Item, Result>(
  items: readonly Item[],
  signal: AbortSignal,
  fn: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = []
  for (let start = 0; start < items.length; start += parallelism) {
    signal.throwIfAborted()
    results.push(...(await Promise.all(items.slice(start, start + parallelism).map(fn))))
  }
  return results
}

function look(path: string): Promise<BigIntStats | undefined> {
  return ifThere(stat(path, { bigint: true }))
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`
}
