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
  return { harness, backend, eventuallyMs: harness.eventuallyMs ?? 5_000, ...createCaseClients(backend) }
}
