import { PassThrough, Writable } from 'node:stream'
import type { Registry, WritableConfigSource } from '@sd/core'
import { runCli } from '../cli.ts'
import type { CliOptions } from '../cli-options.ts'

/** How a test runs `sdctl`. */
export interface SdctlOptions
  extends Partial<Pick<CliOptions, 'cwd' | 'env' | 'now' | 'signal' | 'createFleet' | 'historyStore' | 'lockTypes'>> {
  /** What `memory:` means: the registry stays open. @default an empty one */
  readonly memory?: Registry
  /** What `memory:` means for the configuration: the source stays open. @default an empty one */
  readonly config?: WritableConfigSource
  /** Columns of the terminal. @default none: a pipe */
  readonly columns?: number
  /** Rows of the terminal. @default 24 */
  readonly rows?: number
  /** What is typed, as in a terminal. @default none: not a terminal */
  readonly input?: PassThrough
  /** The standard input, which is not a terminal. @default empty */
  readonly piped?: string
}

/** What a run of `sdctl` did. */
export interface SdctlRun {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A run that goes on. */
export interface RunningSdctl {
  readonly ended: Promise<SdctlRun>
  /** What it has written so far. */
  out(): string
}

/** Runs a command line to its end. */
export function sdctl(argv: readonly string[], options: SdctlOptions = {}): Promise<SdctlRun> {
  return startSdctl(argv, options).ended
}

/** Starts a command line. */
export function startSdctl(argv: readonly string[], options: SdctlOptions = {}): RunningSdctl {
  const { memory, config, columns, rows = 24, input, piped, env = {}, cwd = '/', ...rest } = options
  const stdout = collect(columns === undefined ? {} : { isTTY: true, columns, rows })
  const stderr = collect()
  const stdin = input ?? new PassThrough().end(piped)
  const ended = runCli({
    argv,
    env,
    cwd,
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    ...rest,
    ...(config && { configTypes: { memory: { create: () => keepOpen(config) } } }),
    ...(memory && { registryTypes: { memory: { create: () => keepOpen(memory) } } }),
  }).then((code) => ({ code, out: stdout.text(), err: stderr.text() }))
  return { ended, out: stdout.text }
}

/** What is typed into a terminal. */
export function terminalInput(): PassThrough {
  return Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined })
}

function collect(properties: object = {}): { readonly stream: Writable; text(): string } {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  return { stream: Object.assign(stream, properties), text: () => text }
}

/** The backend without its `close`, so that several runs can use it. */
function keepOpen<T extends object>(backend: T): T {
  return new Proxy(backend, {
    get(target, key) {
      if (key === 'close' || key === Symbol.asyncDispose) return () => Promise.resolve()
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
