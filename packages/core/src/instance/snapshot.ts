import { sameInstance } from './instance.ts'
import type { ServiceInstance } from './service-instance.ts'

/** Instances that are kept for a while although their source no longer lists them. */
export interface HeldList {
  /** Since when, in Unix milliseconds. */
  readonly since: number
  /** Latest end, in Unix milliseconds. */
  readonly until: number
  /** Reason, for people. */
  readonly reason: string
  /** Ids of these instances, sorted. */
  readonly instanceIds: readonly string[]
}

/** All instances of a service at one moment. Immutable. */
export interface ServiceSnapshot {
  readonly service: string
  /** All instances, sorted by id; ids are unique. */
  readonly instances: readonly ServiceInstance[]
  /** Revision of this content in the backend. Opaque: compare it for equality only. */
  readonly revision: string
  /** Whether the source was unreachable, so that the snapshot may be out of date. */
  readonly stale: boolean
  /** Instances that the source no longer lists; absent if there are none. Only Discovery keeps such instances. */
  readonly held?: HeldList | undefined
}

/** Snapshots of all services that have instances, sorted by name. Immutable: every change creates a new map. */
export type AllServices = ReadonlyMap<string, ServiceSnapshot>

/** The difference between two snapshots of a service, by instance id. */
export interface SnapshotChange {
  /** New instances. */
  readonly added: readonly ServiceInstance[]
  /** Changed instances, with their new data. */
  readonly updated: readonly ServiceInstance[]
  /** Removed instances, with their last data. */
  readonly removed: readonly ServiceInstance[]
}

/** Parts of a new {@link ServiceSnapshot}. */
export interface SnapshotInit {
  readonly service: string
  /** All instances in any order. If several have the same id, the last one is used. */
  readonly instances: Iterable<ServiceInstance>
  /** Revision of this content in the backend. @default '' */
  readonly revision?: string
  /** Whether the source was unreachable. @default false */
  readonly stale?: boolean
  /** The previous snapshot. Instances that have not changed are reused from it. @default none */
  readonly previous?: ServiceSnapshot | undefined
}

/**
 * Creates a frozen snapshot. Returns `previous` itself if neither content nor staleness differs, so that `===` detects
 * changes.
 */
export function createSnapshot(init: SnapshotInit): ServiceSnapshot {
  const { service, previous, revision = '', stale = false } = init
  const instances = mergeSorted(init.instances, previous) ?? mergeById(init.instances, previous)
  if (previous && previous.stale === stale && sameElements(previous.instances, instances)) return previous
  return Object.freeze({ service, instances: Object.freeze(instances), revision, stale })
}

/** Sorted instances, as in most backends and all snapshots, need neither maps nor sorting. */
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
 * Combines snapshots of services and omits those without instances. Returns `previous` itself if nothing changed.
 *
 * @param snapshots one per service, in any order
 */
export function collectServices(snapshots: Iterable<ServiceSnapshot>, previous?: AllServices): AllServices {
  const present = Array.from(snapshots).filter(({ instances }) => instances.length > 0)
  const isSame = present.length === previous?.size && present.every((snapshot) => previous.get(snapshot.service) === snapshot)
  if (isSame) return previous
  return new Map(present.sort((a, b) => (a.service < b.service ? -1 : 1)).map((snapshot) => [snapshot.service, snapshot]))
}

/** Returns what changed from `previous` to `next`. Without `previous` all instances of `next` are added. */
export function diffSnapshots(previous: ServiceSnapshot | undefined, next: ServiceSnapshot): SnapshotChange {
  const remaining = new Map<string, ServiceInstance>()
  if (previous) for (const instance of previous.instances) remaining.set(instance.id, instance)
  const added: ServiceInstance[] = []
  const updated: ServiceInstance[] = []
  for (const instance of next.instances) {
    const before = remaining.get(instance.id)
    if (before === undefined) added.push(instance)
    else if (!sameInstance(before, instance)) updated.push(instance)
    remaining.delete(instance.id)
  }
  return { added, updated, removed: [...remaining.values()] }
}

/**
 * Returns `previous` if both lists have the same elements in the same order, otherwise `next`, so that `===` detects
 * changes of a list.
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
