import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Build, type Recipe, recipes, type ServerName } from './recipes.ts'
import { cacheFolder, findOnPath, findServer, recipeFolder, type ServerSource } from './sources.ts'

const manifests = fileURLToPath(new URL('../manifests', import.meta.url))

/** What to install if a tool is missing. */
const toolHints: Readonly<Record<Build['tool'], string>> = {
  go: 'Go 1.24 or newer',
  cargo: 'Rust with cargo',
  mvn: 'Maven and a JDK 17',
  'apt-get': 'Debian or Ubuntu, or the server itself on PATH',
  npm: 'npm',
}

/** Memory for two concurrent builds: each links a program of about 100 MB. */
const memoryForTwo = 6 * 1024 ** 3

/** Cargo's release profile with less optimisation and without symbols. */
const cargoProfile = { CARGO_PROFILE_RELEASE_OPT_LEVEL: '1', CARGO_PROFILE_RELEASE_STRIP: 'symbols' }

/** Time limit of one build command, in milliseconds: an hour. */
const buildLimitMs = 3_600_000

/**
 * Finds servers, or builds them; two at a time if there is enough memory, so that one can compile while the other links
 * or downloads.
 *
 * @param names in the order in which builds start
 * @returns the source of each server, or an error that says why it is missing
 */
export async function prepareServers(
  names: readonly ServerName[],
  report: (line: string) => void,
  prepare: typeof prepareServer = prepareServer,
): Promise<ReadonlyMap<ServerName, ServerSource | Error>> {
  const outcomes = new Map<ServerName, ServerSource | Error>()
  const queue = [...names]
  async function work(): Promise<void> {
    for (let name = queue.shift(); name; name = queue.shift())
      outcomes.set(name, await prepare(name, report).catch((error: Error) => error))
  }
  await Promise.all(Array.from({ length: process.availableMemory() < memoryForTwo ? 1 : 2 }, work))
  return outcomes
}

/**
 * Finds a server, or builds it into the cache.
 *
 * @param report called with progress, one line at a time
 * @throws Error that names the tool to install, or shows the end of a failed build
 */
export async function prepareServer(name: ServerName, report: (line: string) => void): Promise<ServerSource> {
  const found = await findServer(name)
  if (found) return found
  const recipe = recipes[name]
  for (const program of [recipe.build.tool, ...(recipe.needs ?? [])]) {
    if (findOnPath(program)) continue
    const hint = toolHints[recipe.build.tool]
    throw new Error(
      `${name} can't be built: ${program} is not on PATH. Install ${hint}, or set an address in SD_TEST_${name.toUpperCase()}.`,
    )
  }
  await mkdir(cacheFolder, { recursive: true })
  const scratch = await mkdtemp(join(cacheFolder, `.${name}-`))
  const startedAt = performance.now()
  const elapsed = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(0)} s`
  const ticker = setInterval(() => report(`building ${name} ${recipe.version} … ${elapsed()}`), 60_000)
  try {
    report(`building ${name} ${recipe.version} with ${recipe.build.tool}`)
    await build(recipe, scratch)
    await rm(recipeFolder(recipe), { recursive: true, force: true })
    await rename(scratch, recipeFolder(recipe))
    report(`built ${name} ${recipe.version} in ${elapsed()}`)
  } finally {
    clearInterval(ticker)
    await rm(scratch, { recursive: true, force: true })
  }
  const built = await findServer(name)
  if (!built) throw new Error(`${name} was built, but ${recipe.file} is not in ${recipeFolder(recipe)}`)
  return built
}

async function build({ build: how, version }: Recipe, target: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'sd-build-'))
  try {
    if (how.tool === 'go') {
      await cp(join(manifests, how.folder), work, { recursive: true })
      for (const [file, path] of Object.entries(how.packages)) {
        const flags = ['-mod=readonly', '-trimpath', '-buildvcs=false', '-ldflags=-s -w']
        await command('go', ['build', ...flags, '-o', join(target, file), path], work, { CGO_ENABLED: '0', GOFLAGS: '' })
      }
    } else if (how.tool === 'cargo') {
      await command('cargo', ['install', how.crate, '--version', version, '--locked', '--root', target], work, cargoProfile)
    } else if (how.tool === 'mvn') {
      await cp(join(manifests, how.folder), work, { recursive: true })
      const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${target}`]
      await command('mvn', ['--batch-mode', '--quiet', '--strict-checksums', ...goal], work)
    } else if (how.tool === 'npm') {
      await cp(join(manifests, how.folder), work, { recursive: true })
      await command('npm', ['ci', '--no-audit', '--no-fund'], work)
      await mkdir(target, { recursive: true })
      await command(process.execPath, ['unpack.mjs'], work, { TMPDIR: target })
    } else {
      await command('apt-get', ['download', ...how.packages], work)
      await command('sh', ['-c', `for package in *.deb; do dpkg -x "$package" "$0"; done`, target], work)
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function command(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: buildLimitMs,
  })
  let tail = ''
  const keep = (chunk: Buffer): void => {
    tail = `${tail}${chunk}`.slice(-4_000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`${program} ${args.slice(0, 2).join(' ')} ended with ${signal ?? code}:\n${tail}`))
    })
  })
}
