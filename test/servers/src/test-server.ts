import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { untilReady } from './network.ts'
import { getReaper } from './reaper.ts'
import type { ServerSource } from './sources.ts'

const run = promisify(execFile)

/** How to start a server process. */
export interface LaunchPlan {
  /** Name for messages. */
  readonly name: string
  /** Source of the server. One at an address can't be launched. */
  readonly source: Exclude<ServerSource, { kind: 'address' }>
  /** Another binary in the folder of the source, or an absolute path. @default the source's own */
  readonly program?: string
  /** Returns its arguments. @param folder its data folder, empty at first */
  readonly args: (folder: string) => readonly string[]
  /** Fills an empty data folder. @default nothing to do */
  readonly prepare?: (folder: string) => Promise<void>
  /** Environment variables. @default none */
  readonly env?: Readonly<Record<string, string>>
  /** Rejects while the server is not ready. */
  readonly probe: () => Promise<unknown>
  /** Time limit until it is ready, in milliseconds. @default 60_000 */
  readonly readyLimitMs?: number
}

/** A real server that a test owns. It is stopped and its data is deleted when the test process ends, even if that is killed. */
export interface TestServer extends AsyncDisposable {
  /** Its data folder. */
  readonly folder: string
  /** Its process id; `undefined` while it does not run, and for a container. */
  pid(): number | undefined
  /** Returns the last 10,000 characters of its output. */
  log(): string
  /** Starts it, with its existing data. */
  start(): Promise<void>
  /** Asks it to exit, and waits until it has. */
  stop(): Promise<void>
  /** Kills it. */
  kill(): Promise<void>
  /** Suspends it: connections stay open, but nothing responds. */
  pause(): Promise<void>
  /** Resumes it. */
  resume(): Promise<void>
  /** Kills it and starts it without data. */
  restartEmpty(): Promise<void>
  /** Sends it a signal. */
  signal(signal: NodeJS.Signals): Promise<void>
  /** Kills it and deletes its data. Idempotent. */
  close(): Promise<void>
}

/** Starts a server and waits until it is ready. @throws Error with the end of its log if it does not become ready */
export async function launch(plan: LaunchPlan): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), `sd-${plan.name}-`))
  const reaper = getReaper()
  reaper.addFolder(folder)
  const data = join(folder, 'data')
  const logFile = join(folder, 'log')
  const container = plan.source.kind === 'container' ? `sd-test-${randomUUID()}` : undefined
  let child: ChildProcess | undefined

  function command(): readonly [string, readonly string[]] {
    const { source, program } = plan
    if (source.kind === 'binary') {
      const beside = program && !isAbsolute(program) ? join(source.folder, basename(program)) : program
      return [beside ?? source.path, plan.args(data)]
    }
    const variables = Object.entries(plan.env ?? {}).flatMap(([key, value]) => ['--env', `${key}=${value}`])
    const options = ['--rm', '--name', container as string, '--network', 'host', '--volume', `${folder}:${folder}`, ...variables]
    return [source.engine, ['run', ...options, '--entrypoint', source.entrypoint, source.image, ...plan.args(data)]]
  }

  const server: TestServer = {
    folder: data,
    pid: () => (container ? undefined : child?.pid),
    log: () => readFileSync(logFile, 'utf8').slice(-10_000),
    async start() {
      if (child) throw new Error(`${plan.name} is already running`)
      const log = openSync(logFile, 'a')
      const [program, args] = command()
      const started = spawn(program, args, { cwd: data, env: { ...process.env, ...plan.env }, stdio: ['ignore', log, log] })
      closeSync(log)
      child = started
      let isOver = false
      const { pid } = started
      if (pid !== undefined) reaper.addProcess(pid)
      const onEnd = (): void => {
        isOver = true
        if (pid !== undefined) reaper.dropProcess(pid)
        if (child === started) child = undefined
      }
      started.once('error', onEnd)
      started.once('exit', onEnd)
      try {
        await untilReady(plan.probe, plan.readyLimitMs ?? 60_000, () => isOver)
      } catch (error) {
        throw new Error(`${plan.name} did not become ready: ${String(error)}\n${server.log().slice(-4_000)}`)
      }
    },
    async stop() {
      await end('SIGTERM')
    },
    async kill() {
      await end('SIGKILL')
    },
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
    async restartEmpty() {
      await server.kill()
      await empty()
      await server.start()
    },
    async signal(signal) {
      if (container) await run((plan.source as { engine: string }).engine, containerCommand(signal, container))
      else child?.kill(signal)
    },
    async close() {
      await server.kill()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
    [Symbol.asyncDispose]: () => server.close(),
  }

  async function empty(): Promise<void> {
    await rm(data, { recursive: true, force: true, maxRetries: 5 })
    await mkdir(data)
    await plan.prepare?.(data)
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (!child) return
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    await server.signal('SIGCONT').catch(() => undefined)
    await server.signal(signal)
    await ended
  }

  await empty()
  try {
    await server.start()
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

function containerCommand(signal: NodeJS.Signals, container: string): readonly string[] {
  if (signal === 'SIGSTOP') return ['pause', container]
  if (signal === 'SIGCONT') return ['unpause', container]
  return ['kill', '--signal', signal, container]
}
