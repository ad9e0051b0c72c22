import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runtimes as npm packages, pinned. The packages of this project support all except the first. */
export const runtimes = {
  node20: 'node@20.20.2',
  node22: 'node@22.19.0',
  node24: 'node@24.21.0',
  node26: 'node@26.10.0',
  bun: 'bun@1.4.5',
  deno: 'deno@2.9.6',
} as const

/** Name of a runtime. */
export type RuntimeName = keyof typeof runtimes

const folder = fileURLToPath(new URL('../../../.cache/runtimes', import.meta.url))

/**
 * The versions of Node.js that a test of a server runs on: the pinned one, or with `SD_TEST_RUNTIMES=all`, which `pnpm check runtimes` sets,
 * every supported one.
 */
export function nodesToTest(): readonly RuntimeName[] {
  return process.env['SD_TEST_RUNTIMES'] === 'all' ? ['node22', 'node24', 'node26'] : ['node24']
}

/**
 * Installs a runtime with npm, once; later runs reuse it. A version of Node.js that runs already is not installed.
 *
 * @returns the path of its binary
 * @throws Error with the output of npm
 */
export async function obtainRuntime(name: RuntimeName): Promise<string> {
  const spec = runtimes[name]
  if (spec === `node@${process.versions.node}`) return process.execPath
  const [program] = spec.split('@')
  const home = join(folder, spec.replace('@', '-'))
  const binary = join(home, 'node_modules', '.bin', String(program))
  if (existsSync(binary)) return binary
  await mkdir(folder, { recursive: true })
  // Moved when it is complete, because a gate and a test may install it at the same time.
  const scratch = await mkdtemp(join(folder, `.${name}-`))
  try {
    await writeFile(join(scratch, 'package.json'), '{"private":true}')
    await run('npm', ['install', '--no-audit', '--no-fund', spec], { cwd: scratch })
    await rename(scratch, home)
  } catch (error) {
    await rm(scratch, { recursive: true, force: true })
    if (!existsSync(binary)) throw new Error(`${spec} could not be installed: ${(error as Error).message}`, { cause: error })
  }
  return binary
}
