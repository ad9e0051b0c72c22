import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Registry, SdError, toSdError, withTimeout } from '@sd/core'
import { createRegistry, type RegistryConfig } from '@sd/registry'
import type { Backend } from './backend.ts'
import type { InstancePlan, RunningInstance } from './instance.ts'
import type { InstanceOrder, InstanceReply } from './instance-process.ts'
import type { RegistryChoice } from './registry-choice.ts'

const program = fileURLToPath(new URL('./instance-process.ts', import.meta.url))

/** Time limit for the first response of the registry, in milliseconds. */
const reachTimeoutMs = 4_000

/** Time limit for an instance to leave, in milliseconds; then it is killed. */
const leaveTimeoutMs = 20_000

/** Opens a registry that runs elsewhere; every instance is a separate process. @throws SdError `SD_UNAVAILABLE` if it is unreachable */
export async function openRegistryBackend({ address, config }: RegistryChoice): Promise<Backend> {
  const registry = await createRegistry(config)
  await reach(registry, address)
  const killed: InstancePlan[] = []
  return {
    label: `${address} (each instance is a separate process)`,
    scope: `quickstart-${randomBytes(4).toString('hex')}-`,
    registry,
    async start(plan) {
      const instance = await startProcess({ plan, config })
      return {
        ...instance,
        kill() {
          killed.push(plan)
          instance.kill()
        },
      }
    },
    async close() {
      // A killed instance does not deregister. Most registries have removed it by now; Consul would list it as critical for another minute.
      await Promise.all(killed.map(({ service, id }) => registry.deregister(service, id)))
      await registry.close()
    },
  }
}

async function reach(registry: Registry, address: string): Promise<void> {
  try {
    await withTimeout({ timeoutMs: reachTimeoutMs, what: 'the first response' }, (signal) => registry.ping({ signal }))
  } catch (error) {
    await registry.close()
    const { code, message } = toSdError(error, 'SD_UNAVAILABLE', 'no response')
    throw new SdError(code, `The registry ${address} can't be used: ${message}`, { cause: error })
  }
}

async function startProcess(order: { plan: InstancePlan; config: RegistryConfig }): Promise<RunningInstance> {
  const { plan } = order
  const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  child.send(order satisfies InstanceOrder)
  await untilRegistered(child, plan.id)
  return {
    plan,
    async leave() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), leaveTimeoutMs)
      await exited
      clearTimeout(timer)
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

function untilRegistered(child: ChildProcess, id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('message', ({ error }: InstanceReply) => {
      if (error) reject(Object.assign(new Error(`${id}: ${error.message}`), { code: error.code }))
      else resolve()
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`${id} ended before it was registered: ${signal ?? `code ${code}`}`)))
  })
}
