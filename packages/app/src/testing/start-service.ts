import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type CertificateSet, obtainRuntime, type RuntimeName } from '@sd/test-servers'

const program = fileURLToPath(new URL('./server-program.ts', import.meta.url))

/** How long a process may take to print a line, in milliseconds. */
const sayLimitMs = 30_000

/** What a service registered. */
export interface RegisteredInstance {
  readonly id: string
  readonly port: number
  readonly protocol: string
}

/** A running process of server-program.ts. */
export interface ServiceProcess {
  readonly child: ChildProcess
  /** The lines that it printed. */
  readonly lines: readonly string[]
  /** What it wrote to stderr. */
  readonly errors: () => string
  /** Resolves once it has printed a line that begins so, with the rest of the line. */
  says(start: string): Promise<string>
  /** Sends SIGTERM. @returns its exit code, or the signal that ended it */
  stop(): Promise<number | string>
  /** Kills it if it still runs. */
  close(): Promise<void>
}

/** Starts a service with this kind of server on a runtime. */
export async function startService(runtime: RuntimeName, kind: string, certificates?: CertificateSet): Promise<ServiceProcess> {
  const binary = await obtainRuntime(runtime)
  const args = runtime === 'deno' ? ['run', '--allow-all', '--no-lock'] : []
  const { cert = '', key = '' } = certificates?.server ?? {}
  const env = { ...process.env, CERT: cert, KEY: key, DENO_NO_UPDATE_CHECK: '1' }
  const child = spawn(binary, [...args, program, kind], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  let errors = ''
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const exited = once(child, 'close') as Promise<[code: number | null, signal: string | null]>

  function says(start: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const find = (): void => {
      const line = lines.find((one) => one.startsWith(start))
      if (line !== undefined) resolve(line.slice(start.length))
    }
    const fail = (): void =>
      reject(new Error(`${kind} on ${runtime} never printed "${start}", but ${lines.join(', ')}\n${errors}`))
    const timer = setTimeout(fail, sayLimitMs)
    output.on('line', find)
    child.once('close', fail)
    find()
    return promise.finally(() => {
      clearTimeout(timer)
      output.off('line', find)
      child.off('close', fail)
    })
  }

  return {
    child,
    lines,
    errors: () => errors,
    says,
    async stop() {
      child.kill('SIGTERM')
      const [code, signal] = await exited
      return code ?? String(signal)
    },
    async close() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** What a service registered, once it has. */
export async function registeredBy(service: ServiceProcess): Promise<RegisteredInstance> {
  return JSON.parse(await service.says('registered ')) as RegisteredInstance
}
