import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './gate.ts'

/** Pattern of the folders of workspace members, the same as in pnpm-workspace.yaml. */
export const MEMBERS: string = '{packages/*,test/*,examples/*,bench,checks}'

/** The fields of a package.json that the checks use. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly description?: string
  readonly license?: string
  readonly type?: string
  readonly private?: boolean
  readonly sideEffects?: boolean
  readonly engines?: Readonly<Record<string, string>>
  readonly files?: readonly string[]
  readonly exports?: unknown
  readonly publishConfig?: unknown
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** A published package of the workspace. */
export interface Package {
  /** Folder below `packages`. */
  readonly folder: string
  /** Absolute path of the folder. */
  readonly path: string
  readonly manifest: Manifest
  /** The README; empty if there is none. */
  readonly readme: string
  /** The source files: text by path below the folder. */
  readonly sources: ReadonlyMap<string, string>
}

/** Reads all published packages below `base`. */
export function readPackages(base: string = join(root, 'packages')): readonly Package[] {
  return readdirSync(base)
    .sort()
    .filter((folder) => existsSync(join(base, folder, 'package.json')))
    .map((folder) => readPackage(base, folder))
}

function readPackage(base: string, folder: string): Package {
  const path = join(base, folder)
  const readme = join(path, 'README.md')
  return {
    folder,
    path,
    manifest: JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest,
    readme: existsSync(readme) ? readFileSync(readme, 'utf8') : '',
    sources: new Map(globSync('src/**/*.ts', { cwd: path }).map((file) => [file, readFileSync(join(path, file), 'utf8')])),
  }
}
