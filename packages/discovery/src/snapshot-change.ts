import type { ServiceSnapshot, SnapshotChange } from '@sd/core'

/** The same snapshot with another `stale` flag; itself if the flag is already so. */
export function withStale(snapshot: ServiceSnapshot, stale: boolean): ServiceSnapshot {
  return snapshot.stale === stale ? snapshot : Object.freeze({ ...snapshot, stale })
}

/** Whether a change is empty. */
export function isEmptyChange(change: SnapshotChange): boolean {
  return change.added.length === 0 && change.updated.length === 0 && change.removed.length === 0
}
