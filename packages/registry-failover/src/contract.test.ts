import type { Registry } from '@sd/core'
import { createMemoryRegistry, createMemoryStore, type MemoryRegistry } from '@sd/registry-memory'
import { type RegistryHarness, registryContract } from '@sd/testing'
import { describe, test } from 'vitest'
import { createFailoverRegistry, type FailoverMode } from './index.ts'

/** Two stores; every client has a member on each, and both connections can be cut. */
function harness(mode: FailoverMode): RegistryHarness {
  return {
    shortestTtlMs: 600,
    setup: async () => {
      const stores = [createMemoryStore({ sweepIntervalMs: 20 }), createMemoryStore({ sweepIntervalMs: 20 })]
      const membersOf = new Map<Registry, readonly MemoryRegistry[]>()
      return {
        open: async () => {
          const members = stores.map((store, index) => createMemoryRegistry({ store, name: `memory-${index}` }))
          const registry = createFailoverRegistry({ mode, members: members.map((member) => ({ registry: member })) })
          membersOf.set(registry, members)
          return registry
        },
        setConnected: (registry, connected) => {
          for (const member of membersOf.get(registry) ?? []) member.setConnected(connected)
        },
        dispose: async () => {
          for (const store of stores) store.clear()
        },
      }
    },
  }
}

describe.each<FailoverMode>(['priority', 'migration'])('registry contract in the mode %s', (mode) => {
  for (const { name, run } of registryContract(harness(mode))) test(name, run)
})
