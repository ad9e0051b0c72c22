import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { eventually } from '@sd/testing'

const program = fileURLToPath(new URL('./service-process.ts', import.meta.url))

/** The runtime of the services: this Node, or another one to try, such as Bun. */
const runtime = process.env['SD_TEST_RUNTIME'] ?? process.execPath

/** A running process of service-process.ts. */
export interface ServiceProcess {
  readonly child: ChildProcess
  /** The port on which it listens. */
  readonly port: number
  /** What it printed, without the port. */
  readonly lines: readonly string[]
  /** Its exit code and signal, once it has ended and all output was read. */
  readonly exited: Promise<unknown[]>
}

/** Starts a process, and waits until it listens. */
export async function startProcess(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const child = spawn(runtime, [program], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  let port = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('port ')) port = Number(line.slice(5))
    else lines.push(line)
  })
  const exited = once(child, 'close')
  await eventually(() => {
    if (port === 0) throw new Error(`It printed ${JSON.stringify(lines)}`)
  }, 30_000)
  return { child, port, lines, exited }
}
