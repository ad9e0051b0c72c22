import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { obtainRuntime, type RuntimeName } from '@sd/test-servers'
import { type GateResult, root, runCommand } from './gate.ts'
import { installCases } from './install-cases.ts'
import { tarballOf } from './tarballs.ts'
import type { Package } from './workspace.ts'

/**
 * Installs packed packages with npm into empty projects outside the workspace, compiles a program against them and runs it on every
 * supported runtime.
 */
export async function checkInstall(packages: readonly Package[]): Promise<GateResult> {
  const problems: string[] = []
  const binaries = await installRuntimes(['node22', 'node24', 'node26', 'bun'])
  let checks = 0
  for (const [name, { folders, comesAlong, program }] of Object.entries(installCases)) {
    const project = await createProject(withOwnDependencies(packages, folders), program)
    if (comesAlong) {
      checks++
      const wanted = [...folders.map((folder) => `@sd/${folder}`), ...comesAlong]
      const stray = (await installedPackages(project)).filter((found) => !wanted.includes(found))
      if (stray.length > 0) problems.push(`${name}: node_modules has unexpected packages: ${stray.join(', ')}`)
    }
    checks++
    const compiled = await runCommand('tsc', ['-p', '.'], { cwd: project })
    if (compiled.code !== 0) problems.push(`${name}: does not compile:\n${compiled.output}`)
    for (const [runtime, binary] of Object.entries(binaries)) {
      checks++
      const { code, output } = await runCommand(binary, ['program.js'], { cwd: project, timeoutMs: 60_000 })
      if (code !== 0) problems.push(`${name}: fails on ${runtime} with ${code}:\n${output}`)
    }
    await rm(project, { recursive: true })
  }
  return { passed: checks - problems.length, problems }
}

/** Packages with their own @sd dependencies, which npm would otherwise look up in its registry. */
export function withOwnDependencies(packages: readonly Package[], folders: readonly string[]): readonly Package[] {
  const wanted = new Set<string>()
  function add(name: string): void {
    const found = packages.find(({ manifest }) => manifest.name === name)
    if (!found || wanted.has(name)) return
    wanted.add(name)
    for (const other of Object.keys(found.manifest.dependencies ?? {})) add(other)
  }
  for (const folder of folders) add(`@sd/${folder}`)
  return packages.filter(({ manifest }) => wanted.has(manifest.name))
}

async function createProject(packages: readonly Package[], program: string): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), 'sd-install-'))
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  await writeFile(join(project, 'program.ts'), program)
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(userConfig))
  const installed = await runCommand('npm', ['install', '--no-audit', '--no-fund', ...packages.map(tarballOf)], { cwd: project })
  if (installed.code !== 0) throw new Error(`npm install failed:\n${installed.output}`)
  return project
}

// The strictest settings of a user, without our own type packages; types of Node come from the workspace.
const userConfig = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  },
  files: ['program.ts'],
}

async function installedPackages(project: string): Promise<readonly string[]> {
  const modules = join(project, 'node_modules')
  const names = (await readdir(modules)).filter((name) => !name.startsWith('.'))
  const nested = await Promise.all(
    names.map(async (name) => (name === '@sd' ? (await readdir(join(modules, name))).map((one) => `@sd/${one}`) : [name])),
  )
  return nested.flat().sort()
}

/** Installs runtimes; later runs reuse them. @returns their binaries by name */
export async function installRuntimes(wanted: readonly RuntimeName[]): Promise<Readonly<Record<string, string>>> {
  const binaries: Record<string, string> = {}
  for (const name of wanted) binaries[name] = await obtainRuntime(name)
  return binaries
}
