import { accessSync, constants, cpSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'
import { installRuntimes } from './install.ts'

/** Programs of a bare machine besides Node 20 and npm. */
const tools =
  'git sh bash env ls cat cp mv rm mkdir rmdir ln chmod touch grep sed awk tr cut sort uniq head tail wc find xargs dirname basename uname id date sleep tar gzip ps kill true false test mktemp readlink tee stat which'
/** Packages whose tests are the sample: files, an unavailable server, certificates, and a missing privilege. */
const samplePackages = 'config-file lock-etcd lifecycle'
/** Variables needed to reach package registries. They name no program. */
const passedOn = ['NODE_EXTRA_CA_CERTS', 'http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']

/**
 * Runs the two commands of the README as on a bare machine: a fresh clone, an empty home, and a PATH with only npm, Node 20, git and
 * the usual shell tools. `npm start` must work. `npm test` must pass with the tests that can run, list the others, and fail with
 * CI=true. Only a sample of the tests is run. Packages come from the caches of this machine if possible.
 */
export async function checkBareMachine(): Promise<GateResult> {
  if (!existsSync(join(root, '.git')))
    return { passed: 0, problems: [], notes: ['NOT RUN: the bare machine test needs a git clone'] }
  const folder = await mkdtemp(join(tmpdir(), 'sd-bare-'))
  try {
    const env = await makeMachine(folder)
    await clone(join(folder, 'clone'))
    return await runCommands(join(folder, 'clone'), env)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Creates the folders of a machine. @returns its environment */
async function makeMachine(folder: string): Promise<Readonly<Record<string, string>>> {
  const [binaries, home] = [join(folder, 'bin'), join(folder, 'home')]
  await Promise.all([mkdir(binaries), mkdir(home)])
  const { node20 = '' } = await installRuntimes(['node20'])
  symlinkSync(await realpath(node20), join(binaries, 'node'))
  for (const tool of ['npm', 'npx', ...tools.split(' ')]) {
    const path = findProgram(tool)
    if (path) symlinkSync(path, join(binaries, tool))
  }
  const known = passedOn.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))
  const { storeDir = '' } = JSON.parse(readFileSync(join(root, 'node_modules/.modules.yaml'), 'utf8')) as { storeDir?: string }
  return {
    ...Object.fromEntries(known),
    PATH: binaries,
    HOME: home,
    TMPDIR: tmpdir(),
    npm_config_cache: join(homedir(), '.npm'),
    npm_config_userconfig: join(homedir(), '.npmrc'),
    pnpm_config_store_dir: dirname(storeDir),
  }
}

function findProgram(name: string): string | undefined {
  const own = join(root, 'node_modules')
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder && !folder.startsWith(own))
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Clones the repository, including uncommitted changes. */
async function clone(target: string): Promise<void> {
  const git = async (...args: string[]): Promise<string> => {
    const { code, output } = await runCommand('git', args)
    if (code !== 0) throw new Error(`git ${args[0]} failed:\n${output}`)
    return output
  }
  await git('clone', '--quiet', '--no-hardlinks', root, target)
  await git('-C', target, 'checkout', '--quiet', '--detach', (await git('rev-parse', 'HEAD')).trim())
  const changed = await git('ls-files', '-z', '--modified', '--others', '--exclude-standard')
  for (const file of changed.split('\0').filter(Boolean)) {
    if (existsSync(join(root, file))) cpSync(join(root, file), join(target, file))
    else rmSync(join(target, file), { force: true })
  }
}

async function runCommands(cwd: string, env: Readonly<Record<string, string>>): Promise<GateResult> {
  const problems: string[] = []
  async function npm(
    args: readonly string[],
    isWanted: (code: number, output: string) => boolean,
    more: object = {},
  ): Promise<void> {
    const { code, output } = await runCommand('npm', args, { cwd, env: { ...env, ...more }, isAlone: true })
    if (!isWanted(code, output)) problems.push(`npm ${args.join(' ')} on a bare machine ended with ${code}:\n${output}`)
  }
  await npm(['start'], (code) => code === 0)
  const sample = { SD_TEST_PACKAGES: samplePackages }
  const told = [/^ +lock-etcd .*MISSING.* NOT RUN/m, /^NOT RUN: 1 of packages\/lifecycle/m, /^A full run needs them/m]
  const tells = (output: string): boolean => told.every((line) => line.test(output))
  await npm(['test', '--', 'test'], (code, output) => code === 0 && tells(output), sample)
  await npm(['test', '--', 'test servers'], (code) => code !== 0, { CI: 'true' })
  return { passed: 3 - problems.length, problems }
}
