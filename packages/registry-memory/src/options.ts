import { checkDuration, checkKnownKeys, checkName, checkObject } from '@sd/core'
import { createMemoryStore, type MemoryStore } from './memory-store.ts'

/** Options of `createMemoryRegistry`. */
export interface MemoryRegistryOptions {
  /** Store of the instances. Share one to have several registries on the same backend. @default a new store */
  readonly store?: MemoryStore
  /**
   * Time to live without renewal, in milliseconds, for instances that do not set their own. Renewed every third of it.
   * @default 15_000
   */
  readonly ttlMs?: number
  /** Name of this registry in logs and metrics. @default 'memory' */
  readonly name?: string
}

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveMemoryRegistryOptions(options: MemoryRegistryOptions): Required<MemoryRegistryOptions> {
  checkKnownKeys('', checkObject('options', options), ['store', 'ttlMs', 'name'])
  if (options.store !== undefined) checkObject('store', options.store)
  return {
    store: options.store ?? createMemoryStore(),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    name: checkName('name', options.name ?? 'memory'),
  }
}
