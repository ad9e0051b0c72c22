import { reportDuplicate } from '@sd/adapter-kit'
import {
  type AllServices,
  collectServices,
  createSnapshot,
  keepIfSame,
  type SdError,
  type ServiceInstance,
  type ServiceSnapshot,
} from '@sd/core'

/** Merges values of several members into one. */
export interface Merger<T> {
  /** Merges values, the best member's first. `incomplete` is true if a member's value is missing or old. */
  merge(values: readonly T[], context: { readonly incomplete: boolean; readonly previous: T | undefined }): T
  /** Whether a value is empty. */
  isEmpty(value: T): boolean
}

/** The value of one member. */
export interface Part<T> {
  /** Its last value; absent if it has none. */
  readonly value?: T | undefined
  /** Why the value is old or absent. */
  readonly error?: SdError | undefined
}

/** The merged value, or the error if there is none. */
export type Combined<T> = { readonly value: T } | { readonly error: SdError }

/**
 * Creates a merger of snapshots by instance id; the better member's instance is used. It reports each instance that is
 * left out and has another address, once.
 */
export function createSnapshotMerger(
  service: string,
  name: string,
  reported: WeakSet<ServiceInstance> = new WeakSet(),
): Merger<ServiceSnapshot> {
  function best(snapshots: readonly ServiceSnapshot[]): Iterable<ServiceInstance> {
    const byId = new Map<string, ServiceInstance>()
    for (const instance of snapshots.flatMap(({ instances }) => instances)) {
      const kept = byId.get(instance.id)
      if (!kept) byId.set(instance.id, instance)
      else if (!reported.has(instance)) {
        reported.add(instance)
        reportDuplicate(name, service, instance, kept)
      }
    }
    return byId.values()
  }

  return {
    merge: (snapshots, { incomplete, previous }) =>
      createSnapshot({
        service,
        instances: best(snapshots),
        revision: snapshots.map(({ revision }) => revision).join(','),
        stale: incomplete || snapshots.some(({ stale }) => stale),
        previous,
      }),
    isEmpty: ({ instances }) => instances.length === 0,
  }
}

/** Creates a merger of all services. Services of several members are merged like snapshots. */
export function servicesMerger(name: string): Merger<AllServices> {
  const reported = new WeakSet<ServiceInstance>()
  return {
    merge(values, { incomplete, previous }) {
      const names = new Set(values.flatMap((services) => [...services.keys()]))
      const snapshots = Array.from(names, (service) => {
        const found = values.flatMap((services) => services.get(service) ?? [])
        return createSnapshotMerger(service, name, reported).merge(found, { incomplete, previous: previous?.get(service) })
      })
      return collectServices(snapshots, previous)
    },
    isEmpty: (services) => services.size === 0,
  }
}

/** Merges sorted lists of names. */
export const namesMerger: Merger<readonly string[]> = {
  merge: (lists, { previous }) => keepIfSame(previous, [...new Set(lists.flat())].sort()),
  isEmpty: (names) => names.length === 0,
}

/**
 * Combines the values of members, the best first. Fresh values come before old ones. An empty value is used only if no
 * member's value is missing, so that an outage never looks like an empty service.
 */
export function combine<T>(parts: readonly Part<T>[], merger: Merger<T>, previous?: T): Combined<T> | undefined {
  const fresh = parts.filter(({ value, error }) => value !== undefined && !error)
  const failed = parts.filter(({ error }) => error)
  const [firstFailed] = failed
  if (fresh.length === 0) return firstFailed?.error && { error: firstFailed.error }
  const values = [...fresh, ...failed].flatMap(({ value }) => (value === undefined ? [] : [value]))
  const value = merger.merge(values, { incomplete: failed.length > 0, previous })
  const missing = failed.find((part) => part.value === undefined)
  return missing?.error && merger.isEmpty(value) ? { error: missing.error } : { value }
}
