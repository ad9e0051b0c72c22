import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GateResult, root, runCommand } from './gate.ts'

/** How long the tests of one file may take, in milliseconds. */
const timeoutMs = 1_800_000

/**
 * Runs the tests that ask for `nodesToTest()`, on every supported Node.js, on Bun and on Deno, and those that ask for `grpcModulesToTest()`, with
 * every version of grpc-js; one file after the other.
 */
export async function checkRuntimes(): Promise<GateResult> {
  const tests = globSync('packages/*/src/**/*.test.ts', { cwd: root })
  const files = tests.filter((file) => /\b(?:nodes|grpcModules)ToTest\(\)/.test(readFileSync(join(root, file), 'utf8')))
  const problems: string[] = []
  for (const file of files) {
    const [home = '', name] = file.split('/src/')
    const args = ['run', '--config', join(root, 'vitest.package.ts'), `src/${name}`]
    const { code, output } = await runCommand('vitest', args, {
      cwd: join(root, home),
      timeoutMs,
      env: { SD_TEST_RUNTIMES: 'all' },
    })
    // What the tests print of their calls.
    for (const [line] of output.matchAll(/^.* lost$/gm)) process.stdout.write(`${line}\n`)
    if (code !== 0) problems.push(`${file}:\n${output}`)
  }
  return { passed: files.length - problems.length, problems }
}
