import { spawn, spawnSync } from 'node:child_process'

/** A suite of `pnpm test:gateway`. */
export interface Suite {
  readonly name: string
  /** Programs on PATH without which it is skipped. */
  readonly needs: readonly string[]
  /** @returns the problems that it found */
  run(): Promise<readonly string[]>
}

/** Whether a program is on PATH. */
export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}

/** Runs a program until its end. @returns its exit code and what it printed */
export function runProgram(
  name: string,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk) => (output += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
