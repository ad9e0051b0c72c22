import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { Registry } from '@sd/core'
import { createLifecycle, type Lifecycle } from '@sd/lifecycle'

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
  /** Registry client of this instance only. Closed when the instance has left. */
  readonly registry: Registry
  /** Time for which the instance keeps serving after deregistration, in milliseconds. */
  readonly propagationDelayMs: number
  /** Signals on which it leaves. */
  readonly signals: readonly NodeJS.Signals[]
}

/** A server on a real socket that responds after a few milliseconds, and its lifecycle in the registry. */
export interface ServedInstance {
  /** The server. */
  readonly server: Server
  /** The lifecycle; the instance is already registered. */
  readonly lifecycle: Lifecycle
}

/** Starts the server of an instance in this process, and registers it. */
export async function serveInstance(plan: InstancePlan, options: ServeOptions): Promise<ServedInstance> {
  const { service, id, port, weight } = plan
  const { registry, propagationDelayMs, signals } = options
  const server = createServer((_, response) => {
    setTimeout(() => response.end(JSON.stringify({ servedBy: id })), 1 + Math.random() * 4)
  })
  // Only loopback, for a demonstration. A real service listens on all interfaces, and registers `await advertisedAddress()`.
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const lifecycle = createLifecycle({
    registrar: registry,
    server,
    instance: { service, id, address: '127.0.0.1', weight },
    propagationDelayMs,
    signals,
    onShutdown: [() => registry.close()],
  })
  await lifecycle.start()
  return { server, lifecycle }
}
