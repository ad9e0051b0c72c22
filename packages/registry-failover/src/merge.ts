import { tellLeftOut } from '@sd/adapter-kit'
import {
  type AllServices,
  collectServices,
  createSnapshot,
  keepIfSame,
  type SdError,
  type ServiceInstance,
  type ServiceSnapshot,
} from '@sd/core'

/** How values of several members become one. */
export interface Merger<T> {
  /** One value of several, the best member's first. `incomplete` tells that a member's part is missing or old. */
  merge(values: readonly T[], context: { readonly incomplete: boolean; readonly previous: T | undefined }): T
  /** Whether there is nothing in it. */
  isEmpty(value: T): boolean
}

/** What one member gave. */
export interface Part<T> {
  /** Its last value; absent if it gave none. */
  readonly value?: T | undefined
  /** Why the value is old or absent. */
  readonly error?: SdError | undefined
}

/** A value of several members, or why there is none. */
export type Combined<T> = { readonly value: T } | { readonly error: SdError }

/** The union of snapshots by instance id; the best member's instance wins. One that is left out and has another address is told, once. */
export function createSnapshotMerger(
  service: string,
  name: string,
  told: WeakSet<ServiceInstance> = new WeakSet(),
): Merger<ServiceSnapshot> {
  function best(snapshots: readonly ServiceSnapshot[]): Iterable<ServiceInstance> {
    const byId = new Map<string, ServiceInstance>()
    for (const instance of snapshots.flatMap(({ instances }) => instances)) {
      const kept = byId.get(instance.id)
      if (!kept) byId.set(instance.id, instance)
      else if (!told.has(instance)) {
        told.add(instance)
        tellLeftOut(name, service, instance, kept)
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

/** The union of all services; one that several members have is merged as its snapshots are. */
export function servicesMerger(name: string): Merger<AllServices> {
  const told = new WeakSet<ServiceInstance>()
  return {
    merge(values, { incomplete, previous }) {
      const names = new Set(values.flatMap((services) => [...services.keys()]))
      const snapshots = Array.from(names, (service) => {
        const found = values.flatMap((services) => services.get(service) ?? [])
        return createSnapshotMerger(service, name, told).merge(found, { incomplete, previous: previous?.get(service) })
      })
      return collectServices(snapshots, previous)
    },
    isEmpty: (services) => services.size === 0,
  }
}

/** The union of sorted lists of names. */
export const namesMerger: Merger<readonly string[]> = {
  merge: (lists, { previous }) => keepIfSame(previous, [...new Set(lists.flat())].sort()),
  isEmpty: (names) => names.length === 0,
}

/**
 * Combines what members gave, the best first. Fresh values come before old ones. An empty value counts only when no member is missing:
 * an outage never looks like an empty service.
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
