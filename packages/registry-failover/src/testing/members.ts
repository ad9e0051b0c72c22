import { createServiceInstance, type Registry } from '@sd/core'
import { createMemoryRegistry, createMemoryStore, type MemoryRegistry, type MemoryStore } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import { createFailoverRegistry, type FailoverMember, type FailoverRegistry, type FailoverRegistryOptions } from '../index.ts'

/** A member with its store, for tests. */
export interface TestMember {
  /** The member. */
  readonly registry: MemoryRegistry
  /** Its store. */
  readonly store: MemoryStore
  /** The element of `members`. */
  readonly member: FailoverMember
  /** Puts plain instances that never expire into the store, like another process. */
  put(...indexes: readonly number[]): void
  /** Ids of the instances of `orders` in the store. */
  ids(): readonly string[]
}

/** Creates a member with its own store. */
export function createTestMember(name: string, settings: Partial<FailoverMember> = {}): TestMember {
  const store = createMemoryStore()
  const registry = createMemoryRegistry({ store, name })
  return {
    registry,
    store,
    member: { registry, ...settings },
    put(...indexes) {
      for (const index of indexes)
        store.put(createServiceInstance({ ...plainSpec('orders', index), metadata: { from: name } }), name)
    },
    ids: () => Array.from(store.list('orders').instances, ({ id }) => id).sort(),
  }
}

/** Creates a failover registry with short durations. */
export function createTestRegistry(
  members: readonly TestMember[],
  options: Partial<FailoverRegistryOptions> = {},
): FailoverRegistry {
  return createFailoverRegistry({
    members: members.map(({ member }) => member),
    failAfterMs: 3_000,
    returnAfterMs: 5_000,
    probeIntervalMs: 500,
    operationTimeoutMs: 1_000,
    ...options,
  })
}

/** Creates a registry whose promises never settle and whose watches never yield. */
export function createHangingRegistry(name: string): Registry {
  const hang = (): Promise<never> => new Promise(() => {})
  const watch = (): AsyncIterable<never> => ({ [Symbol.asyncIterator]: () => ({ next: hang }) })
  return {
    name,
    capabilities: { register: true, watch: 'push', listServices: true, ttl: true, conditionalRemove: true },
    state: 'connected',
    register: hang,
    deregister: hang,
    getInstances: hang,
    getInstance: hang,
    listServices: hang,
    watch,
    watchServices: watch,
    watchAll: watch,
    ping: hang,
    close: hang,
    [Symbol.asyncDispose]: hang,
  }
}

/** Returns the names of the members that are read. */
export function activeOf(registry: FailoverRegistry): readonly string[] {
  return registry.status().members.flatMap(({ name, active }) => (active ? [name] : []))
}

/** Steps of a watch of `orders`. */
export interface Recording {
  /** One text per step: the instances' ids and origins, and `!` if the step is stale. */
  readonly steps: readonly string[]
  /** The last step. */
  readonly last: string | undefined
}

/** Records a watch of `orders` until the registry is closed. */
export function record(registry: Registry): Recording {
  const steps: string[] = []
  async function read(): Promise<void> {
    for await (const { value, stale } of registry.watch('orders')) {
      const instances = value?.instances.map(({ id, metadata }) => `${id.slice(7)}${metadata['from'] ?? ''}`)
      steps.push(`${instances?.join(' ') ?? 'none'}${value?.stale ? ' (incomplete)' : ''}${stale ? '!' : ''}`)
    }
  }
  void read()
  return {
    steps,
    get last() {
      return steps.at(-1)
    },
  }
}
