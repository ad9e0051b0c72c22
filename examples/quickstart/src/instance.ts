import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type App, createApp } from '@sd/app'
import type { Registry } from '@sd/core'
import type { RegistryConfig } from '@sd/registry'

/** Describes an instance to start. Plain data, so that it can be sent to another process. */
export interface InstancePlan {
  /** Service of the instance. */
  readonly service: string
  /** Id of the instance. */
  readonly id: string
  /** Port to listen on; 0 for a free one. */
  readonly port: number
  /** Relative share of traffic. */
  readonly weight: number
}

/** Handle of a running instance. */
export interface RunningInstance {
  /** The plan it was started with. */
  readonly plan: InstancePlan
  /** Leaves gracefully: deregisters, drains and closes. */
  leave(): Promise<void>
  /** Behaves like a killed process: connections are cut, heartbeats end, and the instance does not deregister. */
  kill(): void
}

/** Options of {@link serveInstance}. */
export interface ServeOptions {
  /** Configuration of a registry that the instance opens and closes, or a registry that stays open. */
  readonly registry: RegistryConfig | Registry
  /** Time for which the instance keeps serving after deregistration, in milliseconds. */
  readonly propagationDelayMs: number
  /** Signals on which it leaves. */
  readonly signals: readonly NodeJS.Signals[]
}

/** A server on a real socket that responds after a few milliseconds, and the application that registered it. */
export interface ServedInstance {
  /** The server. */
  readonly server: Server
  /** The application; the instance is already registered. */
  readonly app: App
}

/** Starts an instance in this process, and registers it. The lines with `app` are all that a service needs. */
export async function serveInstance(plan: InstancePlan, options: ServeOptions): Promise<ServedInstance> {
  const { service, id, port, weight } = plan
  const { registry, ...lifecycle } = options
  // Only loopback, for a demonstration. Without an address, the one that other hosts reach is registered.
  const app = await createApp({ service, registry, instance: { id, weight, address: '127.0.0.1' }, lifecycle })
  const server = createServer((request, response) => {
    if (app.handle(request, response)) return
    setTimeout(() => response.end(JSON.stringify({ servedBy: id })), 1 + Math.random() * 4)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  await app.start(server)
  return { server, app }
}
