import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished, vi } from 'vitest'

/** Path of the program. */
export const program: string = fileURLToPath(new URL('../bin.ts', import.meta.url))
/** Where the program keeps compiled code: stripping types takes most of the time until it serves. */
export const compileCache: string = fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url))

/** The environment of the program. */
export function environmentOf(variables: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: compileCache, ...variables }
}

/** A line of the program's log. */
export interface LogLine {
  readonly event: string
  readonly level?: string
  readonly message?: string
  readonly worker?: number | string
  readonly pid?: number
  readonly listeners?: readonly { readonly port: number }[]
  readonly observe?: string
  readonly [field: string]: unknown
}

/** The program while it runs. */
export interface ServerProcess {
  readonly child: ChildProcess
  /** Events, oldest first. */
  readonly events: readonly LogLine[]
  /** Lines of the access log, oldest first. */
  readonly accesses: readonly LogLine[]
  /** Address of the first listener. */
  readonly url: string
  /** Address of metrics and health. */
  readonly observe: string
  /** Waits for an event. */
  until(event: string): Promise<LogLine>
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>
}

/** Starts `sd-gateway run` as a process, and waits until it serves. */
export async function startServer(file: string, environment: Record<string, string> = {}): Promise<ServerProcess> {
  const child = spawn(process.execPath, [program, 'run', file], { env: environmentOf(environment) })
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const events: LogLine[] = []
  const accesses: LogLine[] = []
  readLines(child.stderr, (line) => events.push(line))
  readLines(child.stdout, (line) => accesses.push(line))
  async function until(event: string): Promise<LogLine> {
    return vi.waitUntil(
      () => {
        if (child.exitCode !== null && event === 'started') throw new Error(JSON.stringify(events))
        return events.find((line) => line.event === event)
      },
      { timeout: 60_000, interval: 20 },
    )
  }
  const { listeners = [], observe = '' } = await until('started')
  return { child, events, accesses, url: `http://127.0.0.1:${listeners[0]?.port}`, observe, until, exited }
}

function readLines(stream: NodeJS.ReadableStream, add: (line: LogLine) => void): void {
  let rest = ''
  stream.on('data', (chunk: Buffer) => {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    // A warning of Node is not JSON.
    for (const line of lines) add(line.startsWith('{') ? JSON.parse(line) : { event: 'text', message: line })
  })
}

/** A file that is replaced as a whole, as deployments do. */
export interface WrittenFile {
  readonly path: string
  replace(content: string): Promise<void>
}

/** Writes a file into a folder that is removed after the test. */
export async function writeTestFile(name: string, content: string): Promise<WrittenFile> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-gateway-server-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, name)
  async function replace(text: string): Promise<void> {
    await writeFile(`${path}.next`, text)
    await rename(`${path}.next`, path)
  }
  await replace(content)
  return { path, replace }
}

/** Starts a service that responds with its name and the path, after a delay if the query asks for one. */
export async function startService(name: string): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((request, response) => {
    const delayMs = Number(new URL(request.url ?? '', 'http://service').searchParams.get('delayMs'))
    setTimeout(() => response.setHeader('x-service', name).end(`${name} ${request.url}`), delayMs)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close().closeAllConnections())
  return { port: (server.address() as AddressInfo).port, server }
}
