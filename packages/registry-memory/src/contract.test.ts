import type { Registry } from '@sd/core'
import { registryContract } from '@sd/testing'
import { describe, test } from 'vitest'
import { createMemoryRegistry, createMemoryStore, type MemoryRegistry } from './index.ts'

describe('registry contract', () => {
  const contract = registryContract({
    shortestTtlMs: 600,
    setup: async () => {
      const store = createMemoryStore({ sweepIntervalMs: 20 })
      return {
        open: async (): Promise<Registry> => createMemoryRegistry({ store }),
        setConnected: (registry, connected) => (registry as MemoryRegistry).setConnected(connected),
        dispose: async () => store.clear(),
      }
    },
  })
  for (const { name, run } of contract) test(name, run)
})
