import assert from 'node:assert/strict'
import type { Registry } from '@sd/core'
import { createCaseClients } from './contract.ts'
import type { RegistryBackend, RegistryHarness } from './registry-harness.ts'

/** What a case of the registry contract works with. */
export interface RegistryContext {
  /** The adapter's harness. */
  readonly harness: RegistryHarness
  /** The backend of this case. */
  readonly backend: RegistryBackend
  /** Opens a client that is closed after the case. */
  readonly open: () => Promise<Registry>
  /** Longest time that a change takes to be seen, in milliseconds. */
  readonly eventuallyMs: number
  /** Closes every client and the backend. */
  readonly dispose: () => Promise<void>
}

/** Makes a backend for one case and remembers its clients. */
export async function createRegistryContext(harness: RegistryHarness): Promise<RegistryContext> {
  const backend = await harness.setup()
  const { ttl = true, conditionalRemove = true } = harness.capabilities ?? {}
  const clients = createCaseClients(backend)
  return {
    harness,
    backend,
    eventuallyMs: harness.eventuallyMs ?? 5_000,
    ...clients,
    async open() {
      const registry = await clients.open()
      const { capabilities } = registry
      assert.equal(capabilities.ttl, ttl, 'harness.capabilities.ttl should be what the registry says')
      assert.equal(
        capabilities.conditionalRemove,
        conditionalRemove,
        'harness.capabilities.conditionalRemove should be what the registry says',
      )
      return registry
    },
  }
}
