import { once } from 'node:events'
import type { RegistryConfig } from '@sd/registry'
import { type InstancePlan, serveInstance } from './instance.ts'

/** First message of the parent. Not an argument of the process, because the configuration can contain a password. */
export interface InstanceOrder {
  /** The instance to start. */
  readonly plan: InstancePlan
  /** Configuration of the registry. */
  readonly config: RegistryConfig
}

/** Only reply of the instance: without an error it is registered. */
export interface InstanceReply {
  /** Reason why it could not start. */
  readonly error?: { readonly message: string; readonly code: string | undefined }
}

/** Time for which an instance keeps serving after deregistration, in milliseconds: Nacos is polled every second. */
const propagationDelayMs = 1_500

// One instance as a separate process. It leaves on SIGTERM and SIGINT, and when its parent has ended for any reason.

const [{ plan, config }] = (await once(process, 'message')) as [InstanceOrder]
try {
  const { app } = await serveInstance(plan, { registry: config, propagationDelayMs, signals: ['SIGTERM', 'SIGINT'] })
  const leave = (): void => void app.close().then(() => process.exit())
  process.once('disconnect', leave)
  if (process.connected) reply({})
  else leave()
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  reply({ error: { message, code } })
  process.exitCode = 1
  process.disconnect()
}

function reply(message: InstanceReply): void {
  process.send?.(message)
}
