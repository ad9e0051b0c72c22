import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { Registry } from '@sd/core'
import { createLifecycle, type Lifecycle } from '@sd/lifecycle'

/** Which instance is to run; plain data, so that it can be sent to another process. */
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

/** A running instance of a service, as who started it sees it. */
export interface RunningInstance {
  /** What it was started with. */
  readonly plan: InstancePlan
  /** Leaves gracefully: out of the registry, drained, closed. */
  leave(): Promise<void>
  /** Dies as a killed process does: its connections are cut, its heartbeats end, and it deregisters nothing. */
  kill(): void
}

/** How an instance is served. */
export interface ServeOptions {
  /** The registry client of this instance alone; closed when the instance has left. */
  readonly registry: Registry
  /** How long it goes on serving after it was taken out of the registry, in milliseconds. */
  readonly propagationDelayMs: number
  /** Signals that make it leave. */
  readonly signals: readonly NodeJS.Signals[]
}

/** A server on a real socket that answers after a few milliseconds, and its life in the registry. */
export interface ServedInstance {
  /** The server. */
  readonly server: Server
  /** Its life: registered when this is handed out. */
  readonly lifecycle: Lifecycle
}

/** Starts the server of an instance in this process, and registers it. */
export async function serveInstance(plan: InstancePlan, options: ServeOptions): Promise<ServedInstance> {
  const { service, id, port, weight } = plan
  const { registry, propagationDelayMs, signals } = options
  const server = createServer((_, response) => {
    setTimeout(() => response.end(JSON.stringify({ servedBy: id })), 1 + Math.random() * 4)
  })
  // Nobody else is to reach a demonstration. A service listens on all interfaces, and registers `await advertisedAddress()`.
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
