import { randomUUID } from 'node:crypto'
import { readdir, readFile, realpath } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { isMainThread, threadId } from 'node:worker_threads'
import { collectStates } from '@sd/core'
import type { ResolvedAdminOptions } from '../options.ts'
import { ADMIN_PROTOCOL, type AdminControl, type ProcessInfo } from '../protocol.ts'

const maxPackages = 200
const idKey: unique symbol = Symbol.for('@sd/admin/process') as never

/** Id of this process, or thread: the same for every copy of this package. */
function readProcessId(): string {
  const holder = globalThis as { [idKey]?: string }
  holder[idKey] ??= randomUUID()
  return holder[idKey]
}

/** Describes this process. @param controls what the principal may change */
export async function readProcessInfo(
  { name, self }: ResolvedAdminOptions,
  controls: readonly AdminControl[],
): Promise<ProcessInfo> {
  const registered = collectStates().flatMap((state) =>
    state.kind === 'registration' && state.state !== 'closed' ? [{ service: state.service, instanceId: state.instanceId }] : [],
  )
  // One instance in two registries is still one.
  const instances = new Map([...(self ? [self] : []), ...registered].map((one) => [`${one.service}\0${one.instanceId}`, one]))
  const [first] = instances.values()
  return {
    protocol: ADMIN_PROTOCOL,
    processId: readProcessId(),
    host: hostname(),
    pid: process.pid,
    ...(!isMainThread && { thread: threadId }),
    instances: [...instances.values()],
    name: name ?? first?.service ?? `${hostname()}:${process.pid}`,
    startedAt: Math.round(performance.timeOrigin),
    now: Date.now(),
    node: process.version,
    packages: await readPackages(),
    controls,
  }
}

let packages: Promise<Readonly<Record<string, readonly string[]>>> | undefined

/** Versions of the packages of this project that the main program and this package find, read once. Never rejects. */
function readPackages(): Promise<Readonly<Record<string, readonly string[]>>> {
  packages ??= findPackages().catch(() => ({}))
  return packages
}

async function findPackages(): Promise<Readonly<Record<string, readonly string[]>>> {
  const starts = [process.argv[1], fileURLToPath(import.meta.url)].filter((start) => start !== undefined)
  const folders = new Set(
    (await Promise.all(starts.map((start) => realpath(start).catch(() => start)))).flatMap((start) => scopeFolders(start)),
  )
  const found = new Map<string, Set<string>>()
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => [])
    for (const name of names.slice(0, maxPackages)) {
      const version = await readVersion(join(folder, name, 'package.json'))
      if (version === undefined) continue
      const versions = found.get(`@sd/${name}`) ?? new Set()
      found.set(`@sd/${name}`, versions.add(version))
    }
  }
  return Object.fromEntries([...found].map(([name, versions]) => [name, [...versions]]))
}

/** Folders in which Node.js looks for packages of the scope. */
function scopeFolders(start: string): readonly string[] {
  const folders: string[] = []
  for (let folder = dirname(start); ; folder = dirname(folder)) {
    folders.push(join(folder, 'node_modules', '@sd'))
    if (folder === dirname(folder)) return folders
  }
}

async function readVersion(file: string): Promise<string | undefined> {
  try {
    const { version } = JSON.parse(await readFile(file, 'utf8')) as { readonly version?: unknown }
    return typeof version === 'string' ? version : undefined
  } catch {
    return undefined
  }
}
