import { sameInstance } from './instance.ts'
import type { ServiceInstance } from './service-instance.ts'

/** Instances that are kept for a while although their source does not list them any more. */
export interface HeldList {
  /** Since when, in Unix milliseconds. */
  readonly since: number
  /** Until when at most, in Unix milliseconds. */
  readonly until: number
  /** Why, for people. */
  readonly reason: string
  /** Ids of the instances that are kept, sorted. */
  readonly instanceIds: readonly string[]
}

/** The full set of a service's instances at one moment. Immutable. */
export interface ServiceSnapshot {
  /** Name of the service. */
  readonly service: string
  /** All instances, sorted by id; ids are unique. */
  readonly instances: readonly ServiceInstance[]
  /** The backend's mark of this content. Opaque: compare for equality only. */
  readonly revision: string
  /** Whether the source could not be reached when this was handed out, so that it may be out of date. */
  readonly stale: boolean
  /** Instances in it that the source does not list any more; absent if there are none. Only Discovery holds instances. */
  readonly held?: HeldList | undefined
}

/** Snapshots of all services that have instances, by name, in the order of names. Immutable: every change makes a new map. */
export type AllServices = ReadonlyMap<string, ServiceSnapshot>

/** What differs between two snapshots of one service, by instance id. */
export interface SnapshotChange {
  /** Instances that are new. */
  readonly added: readonly ServiceInstance[]
  /** Instances that say something else than before, as they are now. */
  readonly updated: readonly ServiceInstance[]
  /** Instances that are gone, as they last were. */
  readonly removed: readonly ServiceInstance[]
}

/** Parts of a new {@link ServiceSnapshot}. */
export interface SnapshotInit {
  /** Name of the service. */
  readonly service: string
  /** All instances in any order; of several with one id the last counts. */
  readonly instances: Iterable<ServiceInstance>
  /** The backend's mark of this content. @default '' */
  readonly revision?: string
  /** Whether the source could not be reached. @default false */
  readonly stale?: boolean
  /** The snapshot before this one. Instances that say the same keep their identity. */
  readonly previous?: ServiceSnapshot | undefined
}

/**
 * Builds a frozen snapshot. If neither content nor staleness differs from `previous`, `previous` itself is returned, so
 * that `===` tells whether anything changed.
 */
export function createSnapshot(init: SnapshotInit): ServiceSnapshot {
  const { service, previous, revision = '', stale = false } = init
  const instances = mergeSorted(init.instances, previous) ?? mergeById(init.instances, previous)
  if (previous && previous.stale === stale && sameElements(previous.instances, instances)) return previous
  return Object.freeze({ service, instances: Object.freeze(instances), revision, stale })
}

/** Instances that come sorted, as most backends and all snapshots list them, need neither maps nor sorting. */
function mergeSorted(
  instances: Iterable<ServiceInstance>,
  previous: ServiceSnapshot | undefined,
): readonly ServiceInstance[] | undefined {
  if (!Array.isArray(instances)) return undefined
  const before = previous?.instances ?? []
  const merged: ServiceInstance[] = []
  let position = 0
  let lastId = ''
  for (const instance of instances as readonly ServiceInstance[]) {
    const { id } = instance
    if (id <= lastId) return undefined
    lastId = id
    while ((before[position]?.id ?? id) < id) position++
    const known = before[position]
    merged.push(known?.id === id && sameInstance(known, instance) ? known : instance)
  }
  return merged
}

function mergeById(instances: Iterable<ServiceInstance>, previous: ServiceSnapshot | undefined): readonly ServiceInstance[] {
  const known = new Map<string, ServiceInstance>()
  if (previous) for (const instance of previous.instances) known.set(instance.id, instance)
  const byId = new Map<string, ServiceInstance>()
  for (const instance of instances) {
    const before = known.get(instance.id)
    byId.set(instance.id, before && sameInstance(before, instance) ? before : instance)
  }
  return [...byId.values()].sort(byIdOrder)
}

/**
 * Puts snapshots of services together; those without instances are left out. If all are those of `previous`, `previous` itself is returned.
 *
 * @param snapshots one per service, in any order
 */
export function collectServices(snapshots: Iterable<ServiceSnapshot>, previous?: AllServices): AllServices {
  const present = Array.from(snapshots).filter(({ instances }) => instances.length > 0)
  const isSame = present.length === previous?.size && present.every((snapshot) => previous.get(snapshot.service) === snapshot)
  if (isSame) return previous
  return new Map(present.sort((a, b) => (a.service < b.service ? -1 : 1)).map((snapshot) => [snapshot.service, snapshot]))
}

/** What changed from `previous` to `next`; all of `next` is added if there is no `previous`. */
export function diffSnapshots(previous: ServiceSnapshot | undefined, next: ServiceSnapshot): SnapshotChange {
  const gone = new Map<string, ServiceInstance>()
  if (previous) for (const instance of previous.instances) gone.set(instance.id, instance)
  const added: ServiceInstance[] = []
  const updated: ServiceInstance[] = []
  for (const instance of next.instances) {
    const before = gone.get(instance.id)
    if (before === undefined) added.push(instance)
    else if (!sameInstance(before, instance)) updated.push(instance)
    gone.delete(instance.id)
  }
  return { added, updated, removed: [...gone.values()] }
}

/**
 * `previous` if both lists hold the same elements in the same order, else `next`: so that `===` tells whether a list, such as that of
 * all services, has changed.
 */
export function keepIfSame<T>(previous: readonly T[] | undefined, next: readonly T[]): readonly T[] {
  return previous && sameElements(previous, next) ? previous : next
}

function byIdOrder(a: ServiceInstance, b: ServiceInstance): number {
  return a.id < b.id ? -1 : 1
}

function sameElements(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((element, index) => element === b[index])
}
