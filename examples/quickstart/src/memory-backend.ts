import { createMemoryRegistry, createMemoryStore, type MemoryRegistry } from '@sd/registry-memory'
import type { Backend } from './backend.ts'
import { serveInstance } from './instance.ts'

/** Lifetime of a lease without renewal, in milliseconds: after a kill, traffic stops within this time. */
const ttlMs = 1_500

/** Creates a registry in this process, which also runs all instances. Needs no other server. */
export function openMemoryBackend(): Backend {
  const store = createMemoryStore({ sweepIntervalMs: 100 })
  const registry = createMemoryRegistry({ store })
  // Unlike a killed process they stay alive, disconnected, until the end of the run.
  const killed: MemoryRegistry[] = []
  return {
    label: 'memory (all instances in this process)',
    scope: '',
    registry,
    async start(plan) {
      const own = createMemoryRegistry({ store, ttlMs })
      // One process runs many instances, so none handles signals. A real instance leaves on SIGTERM.
      const { server, app } = await serveInstance(plan, { registry: own, propagationDelayMs: 500, signals: [] })
      return {
        plan,
        async leave() {
          await app.close()
          await own.close()
        },
        kill() {
          own.setConnected(false)
          killed.push(own)
          server.close()
          server.closeAllConnections()
        },
      }
    },
    close: async () => void (await Promise.all([registry, ...killed].map((one) => one.close()))),
  }
}
