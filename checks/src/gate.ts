import { spawn } from 'node:child_process'
import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

const ownBinaries = fileURLToPath(new URL('../node_modules/.bin', import.meta.url))

/** Result of a gate. */
export interface GateResult {
  /** Number of passed checks. */
  readonly passed: number
  /** The failures, one line or block each. */
  readonly problems: readonly string[]
  /** Lines to show at the end, regardless of the result. */
  readonly notes?: readonly string[]
}

/** A gate that must pass. */
export interface Gate {
  /** Name in the summary. */
  readonly name: string
  /** Runs the gate. */
  readonly run: () => Promise<GateResult>
}

/** Result of a command. */
export interface CommandResult {
  /** Exit code; 1 if it was killed. */
  readonly code: number
  /** Output: stdout and stderr together. */
  readonly output: string
}

/** Options of {@link runCommand}. */
export interface CommandOptions {
  /** Working directory. @default the root */
  readonly cwd?: string
  /** Time limit in milliseconds, after which it is killed. @default 600_000 */
  readonly timeoutMs?: number
  /** Additional environment variables. */
  readonly env?: Readonly<Record<string, string>>
  /** Whether `env` is the whole environment. @default false */
  readonly isAlone?: boolean
}

/** Runs a command and collects its output. */
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

/** Creates a gate from one command, which passes if it exits with 0. */
export function commandGate(name: string, command: string, args: readonly string[]): Gate {
  return {
    name,
    async run() {
      const { code, output } = await runCommand(command, args)
      return code === 0 ? { passed: 1, problems: [] } : { passed: 0, problems: [output] }
    },
  }
}

/** The result of a check of `count` items that returns a list of problems. */
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
