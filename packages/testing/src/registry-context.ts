import assert from 'node:assert/strict'
import type { Registry } from '@sd/core'
import { createCaseClients } from './contract.ts'
import type { RegistryBackend, RegistryHarness } from './registry-harness.ts'

/** Context of a case of the registry contract. */
export interface RegistryContext {
  readonly harness: RegistryHarness
  readonly backend: RegistryBackend
  /** Opens a client that is closed after the case. */
  readonly open: () => Promise<Registry>
  /** Longest time until a change is visible, in milliseconds. */
  readonly eventuallyMs: number
  /** Closes every client and the backend. */
  readonly dispose: () => Promise<void>
}

/** Creates a backend for one case and remembers its clients. */
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
      assert.equal(capabilities.ttl, ttl, 'harness.capabilities.ttl should match the registry')
      assert.equal(
        capabilities.conditionalRemove,
        conditionalRemove,
        'harness.capabilities.conditionalRemove should match the registry',
      )
      return registry
    },
  }
}
