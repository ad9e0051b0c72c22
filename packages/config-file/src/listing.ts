import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isConfigKey } from '@sd/adapter-kit'
import { fileError, ifThere } from './file-errors.ts'
import type { ResolvedFileConfigSourceOptions } from './options.ts'

/** Largest file, in bytes. */
export const maxFileBytes = 1_048_576
/** Largest sum of all files, in bytes. */
const maxTotalBytes = 67_108_864
/** Most files and folders. */
const maxFiles = 10_000
/** How many files are looked at or read at once. */
const parallelism = 16

/** A file, as far as it is known without reading it. */
export interface FoundFile {
  readonly key: string
  readonly path: string
  /** Another one after every change, as fine as the file system's clock. */
  readonly stamp: string
  /** When its content was last written, in Unix milliseconds. */
  readonly updatedAt: number
  /** When anything of it was last changed, also its name, in Unix milliseconds. */
  readonly changedAt: number
}

/** A folder in which a change may show. */
export interface FoundFolder {
  readonly path: string
  /** Tells it from another one in its place. */
  readonly identity: string
  /** The only name in it that matters. */
  readonly only?: string
}

/** What is there. */
export interface Listing {
  readonly files: readonly FoundFile[]
  /** Paths that should be there and are not. */
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

/** Whether a directory passes over this name: hidden files, among them the inner folders of Kubernetes volumes, and backups of editors. */
export function isPassedOver(name: string): boolean {
  return name.startsWith('.') || name.endsWith('~') || (name.startsWith('#') && name.endsWith('#'))
}

/** Looks at all files without reading them. Links are followed. */
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
    const wanted = names.filter((found) => !isPassedOver(found) && isConfigKey(prefix + found))
    if (files.length + folders.length + wanted.length > maxFiles) {
      throw fileError('SD_TOO_LARGE', `${name}: ${directory} has more than ${maxFiles} files`)
    }
    const found = await mapLimited(wanted, signal, async (child) => ({ child, stats: await look(join(path, child)) }))
    for (const { child, stats } of found) {
      // It is gone by now, or a link that leads nowhere.
      if (!stats) continue
      if (stats.isFile()) addFile(prefix + child, join(path, child), stats)
      // A link back to a folder above would never end.
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
      else throw fileError('SD_CONFLICT', `${name}: ${path} is no file`)
    }
    for (const path of new Set([directory, ...wanted.map((key) => dirname(join(directory, key)))])) {
      const stats = await look(path)
      if (stats) folders.push({ path, identity: identityOf(stats) })
    }
  }

  // The directory itself may be exchanged, also where it is a link.
  const parent = await look(dirname(directory))
  if (parent) folders.push({ path: dirname(directory), identity: identityOf(parent), only: basename(directory) })
  if (keys) {
    await addKeys(keys)
  } else {
    const root = await look(directory)
    if (!root) missing.push(directory)
    else if (root.isDirectory()) await addFolder(directory, root, '', [])
    else throw fileError('SD_CONFLICT', `${name}: ${directory} is no directory`)
    files.sort((a, b) => (a.key < b.key ? -1 : 1))
  }
  return { files, missing, folders }
}

/** `fn` of every item, of a few at once. */
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
