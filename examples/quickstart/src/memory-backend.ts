import { createMemoryRegistry, createMemoryStore, type MemoryRegistry } from '@sd/registry-memory'
import type { Backend } from './backend.ts'
import { serveInstance } from './instance.ts'

/** Lifetime of a lease without renewal, in milliseconds: after a kill, traffic stops this much later at the latest. */
const ttlMs = 1_500

/** A registry in this process, which plays all instances: needs nothing else to run. */
export function openMemoryBackend(): Backend {
  const store = createMemoryStore({ sweepIntervalMs: 100 })
  const registry = createMemoryRegistry({ store })
  // Unlike a killed process they live on here, cut off, until the end.
  const killed: MemoryRegistry[] = []
  return {
    label: 'memory (all instances in this process)',
    scope: '',
    registry,
    async start(plan) {
      const own = createMemoryRegistry({ store, ttlMs })
      // One process plays many: a real one goes down with SIGTERM.
      const { server, lifecycle } = await serveInstance(plan, { registry: own, propagationDelayMs: 500, signals: [] })
      return {
        plan,
        async leave() {
          await lifecycle.close()
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
