import { once } from 'node:events'
import { createRegistry, type RegistryConfig } from '@sd/registry'
import { type InstancePlan, serveInstance } from './instance.ts'

/** What the parent sends first: the configuration may hold a password, which must not be seen among the arguments of a process. */
export interface InstanceOrder {
  /** The instance to be. */
  readonly plan: InstancePlan
  /** Where it registers. */
  readonly config: RegistryConfig
}

/** What the instance answers once: without an error it is registered. */
export interface InstanceAnswer {
  /** Why it could not start. */
  readonly error?: { readonly message: string; readonly code: string | undefined }
}

/** How long it goes on serving after it was taken out, in milliseconds: Nacos is asked for changes every second. */
const propagationDelayMs = 1_500

// One instance as a process of its own. SIGTERM and SIGINT make it leave, and so does the end of its parent, however that came.

const [{ plan, config }] = (await once(process, 'message')) as [InstanceOrder]
try {
  const registry = await createRegistry(config)
  const signals = ['SIGTERM', 'SIGINT'] as const
  const { lifecycle } = await serveInstance(plan, { registry, propagationDelayMs, signals })
  const leave = (): void => void lifecycle.close().then(() => process.exit())
  process.once('disconnect', leave)
  if (process.connected) answer({})
  else leave()
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  answer({ error: { message, code } })
  process.exitCode = 1
  process.disconnect()
}

function answer(what: InstanceAnswer): void {
  process.send?.(what)
}
