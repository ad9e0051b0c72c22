import type { ClusterStateReport } from '@sd/core'
import type { SeriesFactory } from './series.ts'

type Counts = Pick<ClusterStateReport, 'service' | 'hits' | 'misses' | 'updates'>

/**
 * Counters built from counts that clusters keep themselves. Those disappear when a cluster is closed, so these counters add
 * the growth of each cluster since the last reading: the sum never decreases, and a new cluster of the same service starts
 * at zero. Counts between the last reading and the end of a cluster are not included.
 *
 * @param refresh called before the counters are read
 * @returns a function that receives the reports of each reading
 */
export function createLookupCounts(series: SeriesFactory, refresh: () => void): (reports: readonly ClusterStateReport[]) => void {
  const lookups = series.counter('discovery.lookups', refresh)
  const applied = series.counter('discovery.updates', refresh)
  let last = new Map<string, Counts>()
  return (reports) => {
    const now = new Map<string, Counts>()
    for (const { service, startedAt, ...counts } of reports) {
      const key = `${service}\0${startedAt}`
      const { hits = 0, misses = 0, updates = 0 } = now.get(key) ?? {}
      now.set(key, { service, hits: hits + counts.hits, misses: misses + counts.misses, updates: updates + counts.updates })
    }
    for (const [key, { service, ...counts }] of now) {
      const before = last.get(key)
      lookups.add([service, 'hit'], growth(before?.hits, counts.hits))
      lookups.add([service, 'miss'], growth(before?.misses, counts.misses))
      applied.add([service], growth(before?.updates, counts.updates))
    }
    last = now
  }
}

/** Growth between two readings; a count that decreased started again from zero. */
function growth(before: number | undefined, now: number): number {
  return before === undefined || now < before ? now : now - before
}
