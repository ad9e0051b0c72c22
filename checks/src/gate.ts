import { spawn } from 'node:child_process'
import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

const ownBinaries = fileURLToPath(new URL('../node_modules/.bin', import.meta.url))

/** How a gate went. */
export interface GateResult {
  /** What passed. */
  readonly passed: number
  /** What failed: one line or block each. */
  readonly problems: readonly string[]
  /** What is to be shown at the end, whatever the verdict. */
  readonly notes?: readonly string[]
}

/** One thing that must hold. */
export interface Gate {
  /** Its name in the summary. */
  readonly name: string
  /** Finds out whether it holds. */
  readonly run: () => Promise<GateResult>
}

/** How a command ended. */
export interface CommandResult {
  /** Exit code; 1 if it was killed. */
  readonly code: number
  /** What it wrote, stdout and stderr together. */
  readonly output: string
}

/** Options of {@link runCommand}. */
export interface CommandOptions {
  /** Folder to run in. @default the root */
  readonly cwd?: string
  /** Limit in milliseconds, after which it is killed. @default 600_000 */
  readonly timeoutMs?: number
  /** More variables of its environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Whether those are all that it has. @default false */
  readonly isAlone?: boolean
}

/** Runs a command and collects what it writes. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { cwd = root, timeoutMs = 600_000 } = options
  const path = `${ownBinaries}${delimiter}${process.env['PATH']}`
  const env = options.isAlone ? options.env : { ...process.env, ...options.env, PATH: path }
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
  let output = ''
  const collect = (chunk: Buffer): void => {
    output += chunk
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 1, output: `${output}${error.message}` }))
    child.on('close', (code, signal) => resolve({ code: code ?? 1, output: signal ? `${output}\nended by ${signal}` : output }))
  })
}

/** A gate that is one command: passed if it exits with 0. */
export function commandGate(name: string, command: string, args: readonly string[]): Gate {
  return {
    name,
    async run() {
      const { code, output } = await runCommand(command, args)
      return code === 0 ? { passed: 1, problems: [] } : { passed: 0, problems: [output] }
    },
  }
}

/** The result of a check that lists what is wrong: each of `count` things counts as one. */
export function resultOf(count: number, problems: readonly string[]): GateResult {
  return { passed: Math.max(0, count - problems.length), problems }
}

/** Runs `work` for each item, a few at a time. */
export async function forEachLimited<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
    }),
  )
}
