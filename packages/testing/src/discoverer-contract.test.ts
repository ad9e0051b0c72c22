import { createSnapshot, type InstanceSpec, type ReadOnlyRegistry, type Registration } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { type DiscovererHarness, discovererContract } from './index.ts'
import { createReferenceBackend } from './testing/reference-registry.ts'

/** The reference as a source that can publish; `broken` always serves the list from when it was opened. */
function harness(broken: boolean = false): DiscovererHarness {
  return {
    eventuallyMs: broken ? 200 : 2_000,
    async setup() {
      const backend = createReferenceBackend()
      const publisher = await backend.open()
      const published = new Map<string, Registration>()
      return {
        async open(): Promise<ReadOnlyRegistry> {
          const source = await backend.open()
          if (!broken) return source
          return { ...source, getInstances: async (service) => createSnapshot({ service, instances: [] }) }
        },
        async publish(specs: readonly InstanceSpec[]) {
          const wanted = new Set(specs.map(({ id }) => id))
          for (const [id, registration] of published) if (!wanted.has(id)) await registration.deregister()
          for (const spec of specs) published.set(spec.id ?? '', await publisher.register(spec))
        },
        async dispose() {
          await publisher.close()
          await backend.dispose()
        },
      }
    },
  }
}

describe('the reference meets the contract', () => {
  for (const { name, run } of discovererContract(harness())) test(name, run)
})

test('a source that ignores published instances fails', async () => {
  const found = discovererContract(harness(true)).find(({ name }) => name === 'published instances are found')
  await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
})
