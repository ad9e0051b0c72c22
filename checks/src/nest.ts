import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'
import { installRuntimes, withOwnDependencies } from './install.ts'
import { printed, projectFiles } from './nest-files.ts'
import { packTarball, tarballOf } from './tarballs.ts'
import type { Package } from './workspace.ts'

// @sd/nestjs from its tarball in projects of Nest 11 and 12, CommonJS and ES modules: compilers, test runners, adapters, versions of Node.

const folders = ['core', 'nestjs', 'metrics-prometheus']
const nest: Readonly<Record<string, readonly string[]>> = {
  'Nest 11': versionsOf('11.2.10', '11.2.6', '11.2.8'),
  'Nest 12': versionsOf('12.5.1', '12.1.1', '12.5.0'),
}
const tools = ['reflect-metadata@0.2.2', 'rxjs@7.8.2', 'prom-client@15.1.3', 'typescript59@npm:typescript@5.9.3']
const runners = ['@swc/core@1.16.22', 'jest@30.5.2', 'vitest@5.1.0']

function versionsOf(version: string, testing: string, fastify: string): readonly string[] {
  const same = ['common', 'core', 'platform-express'].map((name) => `@nestjs/${name}@${version}`)
  return [...same, `@nestjs/platform-fastify@${fastify}`, `@nestjs/testing@${testing}`]
}

interface Case {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Lines that it prints and nothing else; absent if only the exit code is compared. */
  readonly prints?: readonly string[]
}

/** Compilers first, then programs and tests of what they wrote. */
function listCases(asModule: boolean, binaries: Readonly<Record<string, string>>): readonly Case[] {
  const { node22 = '', node24 = '', node26 = '' } = binaries
  const runs = [node22, node24, node26].flatMap((command, index) =>
    ['tsc', 'swc'].flatMap((compiler) =>
      ['Express', 'Fastify'].map((adapter) => ({
        name: `${compiler}, Node ${22 + 2 * index}, ${adapter}`,
        command,
        args: [join(`out-${compiler}`, 'main.js')],
        env: { ADAPTER: adapter },
        prints: printed,
      })),
    ),
  )
  return [
    {
      name: 'tsc 5.9',
      command: node24,
      args: [join('node_modules', 'typescript59', 'bin', 'tsc'), '-p', '.', '--outDir', 'out-tsc'],
    },
    { name: 'tsc 7', command: 'tsc', args: ['-p', '.', '--noEmit'] },
    { name: 'swc', command: node24, args: ['swc.cjs', asModule ? 'es6' : 'commonjs'] },
    ...runs,
    { name: 'jest', command: node24, args: ['--experimental-vm-modules', join('node_modules', 'jest', 'bin', 'jest.js')] },
    { name: 'vitest', command: node24, args: [join('node_modules', 'vitest', 'vitest.mjs'), 'run'] },
  ]
}

/** Packs the packages that Nest projects install, and runs every case. */
export async function checkNest(packages: readonly Package[]): Promise<GateResult> {
  const built = await runCommand('turbo', ['run', 'build', '--output-logs=errors-only'])
  if (built.code !== 0) return { passed: 0, problems: [built.output] }
  const wanted = withOwnDependencies(packages, folders)
  for (const one of wanted) await packTarball(one)
  const binaries = await installRuntimes(['node22', 'node24', 'node26'])
  const problems: string[] = []
  let checks = 0
  for (const [major, versions] of Object.entries(nest)) {
    for (const asModule of [false, true]) {
      const project = await createProject(asModule, [...wanted.map(tarballOf), ...versions, ...tools, ...runners])
      const kind = `${major}, ${asModule ? 'ES modules' : 'CommonJS'}`
      for (const one of listCases(asModule, binaries)) {
        checks++
        const problem = await runCase(project, one)
        if (problem !== undefined) problems.push(`${kind}, ${one.name}: ${problem}`)
      }
      await rm(project, { recursive: true })
    }
  }
  return { passed: checks - problems.length, problems }
}

async function createProject(asModule: boolean, packages: readonly string[]): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), 'sd-nest-'))
  for (const [file, text] of Object.entries(projectFiles(asModule, join(root, 'node_modules/@types')))) {
    await mkdir(dirname(join(project, file)), { recursive: true })
    await writeFile(join(project, file), text)
  }
  const installed = await runCommand('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: project })
  if (installed.code !== 0) throw new Error(`npm install failed:\n${installed.output}`)
  return project
}

/** @returns what went wrong */
async function runCase(cwd: string, { command, args, env, prints }: Case): Promise<string | undefined> {
  const { code, output } = await runCommand(command, args, { cwd, timeoutMs: 120_000, ...(env && { env }) })
  if (prints === undefined) return code === 0 ? undefined : `exited with ${code}:\n${output}`
  // Nest ends the process by the signal that it received.
  return output.trim() === `${prints.join('\n')}\n\nended by SIGTERM` ? undefined : `printed:\n${output}`
}
