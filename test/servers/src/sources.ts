import { execFile } from 'node:child_process'
import { accessSync, appendFileSync, constants, existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Recipe, recipes, type ServerName } from './recipes.ts'

const run = promisify(execFile)

/** Source of a server. */
export type ServerSource =
  /** A server that is already running: tests can use it, but not stop, pause or empty it. */
  | { readonly kind: 'address'; readonly address: string; readonly version: string }
  /** A binary, or the file that the recipe names. Paths of the recipe are relative to `folder`. */
  | { readonly kind: 'binary'; readonly path: string; readonly folder: string; readonly version: string }
  /** An image for the available container engine. */
  | {
      readonly kind: 'container'
      readonly engine: string
      readonly image: string
      readonly entrypoint: string
      readonly version: string
    }

/** Options of {@link obtainServer}. */
export interface ObtainOptions {
  /** Whether the test must own the process, which excludes an address in the environment. @default false */
  readonly own?: boolean
  /** File for the notes that become the table. @default 'coverage/servers.ndjson' in the working folder */
  readonly notes?: string
}

/** Folder of everything that was built, by name and version. */
export const cacheFolder: string = join(homedir(), '.cache', 'sd-test-servers')

/** Folder of a recipe's files. */
export function recipeFolder({ name, version }: Recipe): string {
  return join(cacheFolder, `${name}-${version}`)
}

/** Returns the path of a program on PATH. */
export function findOnPath(program: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

/** Finds a server without building it: address in the environment, PATH, cache, container engine. */
export async function findServer(name: ServerName, options: ObtainOptions = {}): Promise<ServerSource | undefined> {
  const recipe = recipes[name]
  const address = process.env[`SD_TEST_${name.toUpperCase()}`]
  if (address && !options.own) return { kind: 'address', address, version: 'at SD_TEST_…' }
  if (recipe.needs?.some((program) => !findOnPath(program))) return undefined
  const program = basename(recipe.file)
  const onPath = findOnPath(program)
  if (onPath) return { kind: 'binary', path: onPath, folder: join(onPath, '..'), version: await readVersion(onPath) }
  const folder = recipeFolder(recipe)
  const cached = join(folder, recipe.file)
  if (existsSync(cached)) return { kind: 'binary', path: cached, folder, version: recipe.version }
  const engine = recipe.container && (await findEngine())
  return engine && recipe.container ? { kind: 'container', engine, ...recipe.container, version: recipe.version } : undefined
}

/**
 * Like {@link findServer}, for a test file. The result is noted for the table at the end of `npm test`.
 *
 * @returns `undefined` if there is no server; the tests of the file are then not run
 * @throws Error with CI=true if there is no server
 */
export async function obtainServer(name: ServerName, options: ObtainOptions = {}): Promise<ServerSource | undefined> {
  const source = await findServer(name, options)
  const { notes = 'coverage/servers.ndjson' } = options
  mkdirSync(dirname(notes), { recursive: true })
  appendFileSync(notes, `${JSON.stringify({ server: name, version: source?.version })}\n`)
  if (source) return source
  const message = `NOT RUN: no ${name} server. Build it with "pnpm test:servers ${name}".`
  if (process.env['CI'] === 'true') throw new Error(message)
  console.warn(message)
  return undefined
}

async function readVersion(path: string): Promise<string> {
  for (const flag of ['--version', '-v', '-version']) {
    const output = await run(path, [flag], { timeout: 10_000 }).catch(() => undefined)
    const version = /\d+\.\d+(\.\d+)?/.exec(`${output?.stdout}${output?.stderr}`)?.[0]
    if (version) return version
  }
  return 'on PATH'
}

async function findEngine(): Promise<string | undefined> {
  for (const engine of ['docker', 'podman']) {
    if (!findOnPath(engine)) continue
    const answered = await run(engine, ['info'], { timeout: 5_000 }).then(
      () => true,
      () => false,
    )
    if (answered) return engine
  }
  return undefined
}
