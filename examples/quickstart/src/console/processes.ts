import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ADMIN_PORT } from '@sd/core'
import type { ProcessOrder, ProcessPlan, ProcessReply, SlowDown } from './messages.ts'

const program = fileURLToPath(new URL('./process.ts', import.meta.url))

/** The processes of the demonstration, and the file that lists them. */
export interface DemoProcesses extends AsyncDisposable {
  /** Delays the responses of an instance. */
  slow(id: string, delayMs: number): void
  /** Lists an instance as unhealthy, with a reason; without one as healthy. */
  setUnhealthy(id: string, reason: string | undefined): Promise<void>
}

/** Where the processes find each other. */
export interface DemoFiles {
  readonly registryFile: string
  readonly configFolder: string
}

interface Running {
  readonly plan: ProcessPlan
  readonly child: ChildProcess
  readonly reply: ProcessReply
  unhealthy?: string | undefined
}

/** Starts the processes, and lists them in the file. */
export async function startProcesses(plans: readonly ProcessPlan[], files: DemoFiles): Promise<DemoProcesses> {
  const running: Running[] = []

  async function list(): Promise<void> {
    const services: Record<string, object[]> = {}
    for (const { plan, reply, unhealthy } of running) {
      const { service, id, version, needs } = plan
      const health = unhealthy === undefined ? 'healthy' : { status: 'unhealthy', message: unhealthy }
      const instance = {
        id,
        address: '127.0.0.1',
        port: reply.port,
        ports: { [ADMIN_PORT]: reply.adminPort },
        version,
        needs,
        health,
      }
      services[service] = [...(services[service] ?? []), instance]
    }
    await writeFile(`${files.registryFile}.new`, JSON.stringify({ services }))
    await rename(`${files.registryFile}.new`, files.registryFile)
  }

  async function end(): Promise<void> {
    await Promise.all(running.map(({ child }) => endProcess(child)))
  }

  await list()
  try {
    await Promise.all(plans.map(async (plan) => running.push(await startProcess(plan, files))))
    await list()
  } catch (error) {
    await end()
    throw error
  }
  return {
    slow: (id, delayMs) => void find(running, id).child.send({ delayMs } satisfies SlowDown),
    async setUnhealthy(id, reason) {
      find(running, id).unhealthy = reason
      await list()
    },
    [Symbol.asyncDispose]: end,
  }
}

async function startProcess(plan: ProcessPlan, files: DemoFiles): Promise<Running> {
  const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  child.send({ plan, ...files } satisfies ProcessOrder)
  const started = once(child, 'message')
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${plan.id} ended at its start, with exit code ${code}`)
  })
  ended.catch(() => undefined)
  const [reply] = (await Promise.race([started, ended])) as [ProcessReply]
  return { plan, child, reply }
}

/** Time limit for a process to end by itself, in milliseconds. */
const endLimitMs = 3_000

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  if (child.connected) child.disconnect()
  const timer = setTimeout(() => child.kill('SIGKILL'), endLimitMs)
  await exited
  clearTimeout(timer)
}

function find(running: readonly Running[], id: string): Running {
  const found = running.find(({ plan }) => plan.id === id)
  if (!found) throw new Error(`There is no instance ${id}`)
  return found
}
