import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A running program. */
export interface Program {
  /** Everything that it wrote to stderr. */
  readonly errors: () => string
  /** Sends SIGTERM. @returns its exit code, or the signal that ended it */
  stop(): Promise<number | string>
  /** Kills it if it still runs. */
  [Symbol.asyncDispose](): Promise<void>
}

/** How a program is started. */
export interface ProgramOptions {
  /** Command and its arguments. */
  readonly command: readonly string[]
  /** Working folder. */
  readonly cwd: string
  /** Additional environment variables. */
  readonly env: Readonly<Record<string, string>>
}

/** Starts a program. */
export function startProgram({ command: [file = '', ...args], cwd, env }: ProgramOptions): Program {
  const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const exited = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
  return {
    errors: () => errors,
    async stop() {
      child.kill('SIGTERM')
      const [code, signal] = await exited
      return code ?? String(signal)
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
