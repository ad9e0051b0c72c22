import { type ConfigSourceHarness, configSourceContract } from '@sd/testing'
import { describe, test } from 'vitest'
import { createMemoryConfigSource, createMemoryConfigStore, type MemoryConfigSource, withCanaryRelease } from './index.ts'

function harness(isWrapped: boolean): ConfigSourceHarness {
  return {
    keys: ['orders.yaml', 'users.yaml'],
    capabilities: { write: !isWrapped },
    setup: async () => {
      const store = createMemoryConfigStore()
      const links = new Map<unknown, MemoryConfigSource>()
      return {
        async open() {
          const memory = createMemoryConfigSource({ store })
          const source = isWrapped ? withCanaryRelease(memory, { instance: { id: 'a' } }) : memory
          links.set(source, memory)
          return source
        },
        write: async (key, content) => void store.put(key, content),
        remove: async (key) => store.delete(key),
        setConnected: (source, connected) => links.get(source)?.setConnected(connected),
        dispose: async () => links.clear(),
      }
    },
  }
}

describe.each([
  ['memory source', false],
  ['source with canary releases', true],
])('config source contract: %s', (_, isWrapped) => {
  for (const { name, run } of configSourceContract(harness(isWrapped))) test(name, run)
})
