import { checkDuration, checkKnownKeys, checkName, checkObject } from '@sd/core'
import { createMemoryStore, type MemoryStore } from './memory-store.ts'

/** Options of `createMemoryRegistry`. */
export interface MemoryRegistryOptions {
  /** Where instances are kept. Share one to have several registries on the same backend. @default a store of its own */
  readonly store?: MemoryStore
  /** Lifetime of a lease without renewal for instances that name none, in milliseconds. It is renewed every third of it. @default 15_000 */
  readonly ttlMs?: number
  /** Name for logs and metrics. @default 'memory' */
  readonly name?: string
}

/** Options with their defaults filled in. @throws SdError `SD_INVALID` that names the option */
export function resolveMemoryRegistryOptions(options: MemoryRegistryOptions): Required<MemoryRegistryOptions> {
  checkKnownKeys('', checkObject('options', options), ['store', 'ttlMs', 'name'])
  if (options.store !== undefined) checkObject('store', options.store)
  return {
    store: options.store ?? createMemoryStore(),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    name: checkName('name', options.name ?? 'memory'),
  }
}
