import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The part of a package.json that is read here. */
interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly publishConfig?: object
}

/** A folder whose `node_modules` has built packages as they are published. */
export interface Stage {
  /** Writes a program. @returns its path */
  write(name: string, text: string): Promise<string>
  /** Removes the folder. */
  close(): Promise<void>
}

const packages = fileURLToPath(new URL('../../../packages', import.meta.url))
const ownModules = fileURLToPath(new URL('../../node_modules', import.meta.url))

/**
 * Copies built packages, and links what they need, as an installation would. Without it Node.js would run the sources.
 *
 * @param folders packages of this project; what they need comes along
 * @param others packages of others, among the dependencies of the benchmarks
 */
export async function openStage(folders: readonly string[], others: readonly string[]): Promise<Stage> {
  const home = await mkdtemp(join(tmpdir(), 'sd-stage-'))
  const modules = join(home, 'node_modules')
  const added = new Set<string>()

  async function link(name: string, from: string): Promise<void> {
    if (added.has(name)) return
    added.add(name)
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(await realpath(join(from, name)), join(modules, name))
  }
  async function add(folder: string): Promise<void> {
    const source = join(packages, folder)
    const manifest = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as Manifest
    if (added.has(manifest.name)) return
    added.add(manifest.name)
    const target = join(modules, manifest.name)
    await mkdir(target, { recursive: true })
    await cp(join(source, 'dist'), join(target, 'dist'), { recursive: true })
    await writeFile(join(target, 'package.json'), JSON.stringify({ ...manifest, ...manifest.publishConfig }))
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
      if (name.startsWith('@sd/')) await add(name.slice('@sd/'.length))
      else await link(name, join(source, 'node_modules'))
    }
  }
  for (const folder of folders) await add(folder)
  for (const name of others) await link(name, ownModules)
  return {
    async write(name, text) {
      const file = join(home, name)
      await writeFile(file, text)
      return file
    },
    close: () => rm(home, { recursive: true }),
  }
}
