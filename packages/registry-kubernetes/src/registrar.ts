import type { RegistrationDriver, RenewResult } from '@sd/adapter-kit'
import { type Collection, type KubernetesConnection, listCollection } from '@sd/connection-kubernetes'
import type { ServiceInstance } from '@sd/core'
import type { ResolvedKubernetesRegistryOptions } from './options.ts'
import { createProcessLease, type ProcessLease } from './process-lease.ts'
import { createSliceWriter } from './slice-writer.ts'
import { encodeSlice, incarnationOf, leaseLabel, type Slice, sliceName } from './slices.ts'

/** Dependencies of {@link createRegistrar}. */
export interface RegistrarOptions {
  readonly connection: KubernetesConnection
  readonly settings: ResolvedKubernetesRegistryOptions
  /** Path of the namespace's EndpointSlices. */
  readonly slices: string
  readonly leases: Collection
}

/** Writes registrations: one EndpointSlice per instance, one lease per time to live. */
export interface Registrar {
  readonly driver: RegistrationDriver
  /** Removes the slice of an instance, including one of another process. */
  remove(service: string, id: string, signal: AbortSignal): Promise<void>
  /** Deletes the leases. */
  close(signal: AbortSignal): Promise<void>
}

/** Result of a renewal: the lease and the slices that are bound to it. */
interface Round {
  readonly startedAt: number
  readonly owned: Promise<ReadonlyMap<string, unknown> | undefined>
}

interface Lifetime {
  readonly ttlMs: number
  readonly lease: ProcessLease
  round?: Round
}

/** Creates a registrar. It writes nothing until it is used. */
export function createRegistrar({ connection, settings, slices: path, leases }: RegistrarOptions): Registrar {
  const slices = createSliceWriter(connection, path, settings.name)
  const lifetimes = new Map<number, Lifetime>()
  /** Slices of this registrar, as the server returned them. */
  const written = new Map<string, Slice>()

  function lifetimeOf({ ttlMs = settings.ttlMs }: ServiceInstance): Lifetime {
    const lifetime = lifetimes.get(ttlMs) ?? { ttlMs, lease: createProcessLease(connection, leases, ttlMs) }
    lifetimes.set(ttlMs, lifetime)
    return lifetime
  }

  /**
   * Renews the lease and lists the slices bound to it, once for all registrations that are due at about the same time.
   */
  function renewTogether(lifetime: Lifetime, signal: AbortSignal): Promise<ReadonlyMap<string, unknown> | undefined> {
    const now = performance.now()
    const { round } = lifetime
    if (round && now - round.startedAt < lifetime.ttlMs * 0.15) return round.owned
    const owned = renewAndList(lifetime.lease, signal)
    lifetime.round = { startedAt: now, owned }
    // Later callers may still need this error, but not indefinitely.
    owned.catch(() => {
      if (lifetime.round?.owned === owned) delete lifetime.round
    })
    return owned
  }

  async function renewAndList(lease: ProcessLease, signal: AbortSignal): Promise<ReadonlyMap<string, unknown> | undefined> {
    const name = await lease.renew(signal)
    if (name === undefined) return undefined
    const { items } = await listCollection<Slice>(connection, { path, labelSelector: `${leaseLabel}=${name}` }, signal)
    return new Map(items.map((slice) => [slice.metadata.name, incarnationOf(slice)]))
  }

  async function renew(instance: ServiceInstance, incarnation: string, signal: AbortSignal): Promise<RenewResult> {
    const owned = await renewTogether(lifetimeOf(instance), signal)
    if (!owned) return 'lost'
    const name = sliceName(instance.service, instance.id)
    if (owned.get(name) === incarnation) return 'renewed'
    const slice = await slices.read(name, signal)
    const holder = slice && incarnationOf(slice)
    return holder === undefined || holder === incarnation ? 'lost' : 'superseded'
  }

  return {
    driver: {
      async put(instance, { incarnation, signal }) {
        const lease = await lifetimeOf(instance).lease.hold(signal)
        const encoded = encodeSlice(instance, incarnation, lease, settings)
        const slice = await slices.put(encoded, written.has(encoded.metadata.name), signal)
        written.set(slice.metadata.name, slice)
      },
      renew: (instance, { incarnation, signal }) => renew(instance, incarnation, signal),
      async remove({ service, id }, { incarnation, signal }) {
        const name = sliceName(service, id)
        const known = written.get(name)
        written.delete(name)
        // Usually the slice is unchanged and does not need to be read first.
        if (known && incarnationOf(known) === incarnation && (await slices.removeExactly(known, signal))) return
        await slices.removeIf(name, (slice) => incarnationOf(slice) === incarnation, signal)
      },
    },
    remove: (service, id, signal) => slices.removeIf(sliceName(service, id), () => true, signal),
    close: async (signal) => void (await Promise.allSettled([...lifetimes.values()].map(({ lease }) => lease.end(signal)))),
  }
}
