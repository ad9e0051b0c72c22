import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, probePort, untilReady } from '@sd/test-servers'

/** The core of the proxies; the load and the service have the other one. */
const proxyCore = 0
const loadCore = 1

/** A proxy in a process of its own. */
export interface MeasuredProxy {
  readonly name: string
  readonly port: number
  /** CPU time of all its threads so far, in microseconds. */
  cpu(): number
  /** Resident memory, and the part of it that no file is mapped to, in megabytes. */
  memory(): { readonly rss: number; readonly anon: number }
  close(): Promise<void>
}

const hasTaskset = spawnSync('taskset', ['-V']).status === 0

/** Starts a process on a core, where `taskset` is installed. */
export function spawnOn(core: 'proxy' | 'load', command: string, args: readonly string[], talk?: 'ipc' | 'stdout'): ChildProcess {
  const pinned = hasTaskset ? ['taskset', '-c', String(core === 'proxy' ? proxyCore : loadCore), command] : [command]
  const [program = '', ...rest] = [...pinned, ...args]
  return spawn(program, rest, {
    stdio: ['ignore', talk === 'stdout' ? 'pipe' : 'ignore', 'inherit', ...(talk === 'ipc' ? (['ipc'] as const) : [])],
  })
}

/** Starts a program for Node.js that sends its port. */
export async function startNodeProxy(name: string, file: string, args: readonly string[]): Promise<MeasuredProxy> {
  const child = spawnOn('proxy', process.execPath, [file, ...args], 'ipc')
  const port = await Promise.race([
    once(child, 'message').then(([message]) => message as number),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${name} ended with ${code}: the run is invalid`)
    }),
  ])
  return watch(name, port, child)
}

/** A server that is installed on the machine. */
export interface ServerSpec {
  /** Name in the table. */
  readonly name: string
  /** Its program. */
  readonly program: string
  /** The core that it runs on. @default 'proxy' */
  readonly core?: 'proxy' | 'load'
  /** Its configuration, which is written to a file. @default none */
  readonly config?: (folder: string, port: number) => string
  /** Its arguments. */
  readonly args: (file: string, port: number) => readonly string[]
  /** Waits until it serves. @default it accepts a TCP connection */
  readonly ready?: (port: number) => Promise<unknown>
}

/** Starts a server. @returns `undefined` if it is not installed */
export async function startServer(spec: ServerSpec): Promise<MeasuredProxy | undefined> {
  const { name, program, core = 'proxy', config, args, ready = probePort } = spec
  const binary = [program, `/usr/sbin/${program}`].find((path) => !spawnSync(path, ['-v']).error)
  if (binary === undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), `bench-${program}-`))
  const port = await freePort()
  const file = join(folder, 'config')
  if (config) await writeFile(file, config(folder, port))
  const proxy = watch(name, port, spawnOn(core, binary, args(file, port)), folder)
  await untilReady(
    () => ready(port),
    10_000,
    () => false,
  )
  return proxy
}

function watch(name: string, port: number, child: ChildProcess, folder?: string): MeasuredProxy {
  const { pid } = child
  return {
    name,
    port,
    cpu() {
      let nanoseconds = 0
      for (const task of readdirSync(`/proc/${pid}/task`)) {
        nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ', 1)[0])
      }
      return nanoseconds / 1000
    },
    memory() {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const read = (field: string): number => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024
      return { rss: read('VmRSS'), anon: read('RssAnon') }
    },
    async close() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}
