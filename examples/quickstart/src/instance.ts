import { once } from 'node:events'
import { createServer } from 'node:http'
import { createLifecycle } from '@sd/lifecycle'
import { createMemoryRegistry, type MemoryStore } from '@sd/registry-memory'

/** A running instance of a service: a server on a real socket with a registry client of its own. */
export interface RunningInstance {
  /** Service of the instance. */
  readonly service: string
  /** Id of the instance. */
  readonly id: string
  /** Leaves gracefully: out of the registry, drained, closed. */
  leave(): Promise<void>
  /** Dies as a killed process does: its connections are cut, its heartbeats end, and it deregisters nothing. */
  kill(): void
}

/** What an instance is started with. */
export interface InstanceOptions {
  /** Service of the instance. */
  readonly service: string
  /** Number of the instance within its service. */
  readonly number: number
  /** Port to listen on; 0 for a free one. */
  readonly port: number
  /** The registry's backend. */
  readonly store: MemoryStore
}

/** Lifetime of a lease without renewal: after a kill, traffic stops this much later at the latest. */
const ttlMs = 1_500

/** Starts a server that answers after a few milliseconds, and registers it. */
export async function startInstance({ service, number, port, store }: InstanceOptions): Promise<RunningInstance> {
  const id = `${service}-${number}`
  const registry = createMemoryRegistry({ store, ttlMs })
  const server = createServer((_, response) => {
    setTimeout(() => response.end(JSON.stringify({ servedBy: id })), 1 + Math.random() * 4)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const lifecycle = createLifecycle({
    registrar: registry,
    server,
    instance: { service, id, address: '127.0.0.1', weight: number % 3 === 0 ? 2 : 1 },
    propagationDelayMs: 500,
    // One process plays many: a real one leaves `signals` at its default and goes down with SIGTERM.
    signals: [],
    onShutdown: [() => registry.close()],
  })
  await lifecycle.start()
  return {
    service,
    id,
    async leave() {
      await lifecycle.close()
    },
    kill() {
      registry.setConnected(false)
      server.close()
      server.closeAllConnections()
    },
  }
}
