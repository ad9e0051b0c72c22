import type { ServiceSnapshot, SnapshotChange } from '@sd/core'

/** Returns the snapshot with this `stale` flag, or the same object if the flag already has this value. */
export function withStale(snapshot: ServiceSnapshot, stale: boolean): ServiceSnapshot {
  return snapshot.stale === stale ? snapshot : Object.freeze({ ...snapshot, stale })
}

/** Whether nothing was added, updated or removed. */
export function isEmptyChange(change: SnapshotChange): boolean {
  return change.added.length === 0 && change.updated.length === 0 && change.removed.length === 0
}
