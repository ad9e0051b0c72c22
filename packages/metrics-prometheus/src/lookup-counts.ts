import type { ClusterStateReport } from '@sd/core'
import type { SeriesFactory } from './series.ts'

type Counts = Pick<ClusterStateReport, 'service' | 'hits' | 'misses' | 'updates'>

/**
 * Counters of what clusters count themselves. A cluster that is gone takes its counts along, so what is counted here is by how much each
 * one's grew since the last reading: the sum never goes back, and a new cluster of the same service counts from zero. What a cluster
 * counted between the last reading and its end is not seen.
 *
 * @param collect called before the counters are read
 * @returns takes the reports of each reading
 */
export function createLookupCounts(series: SeriesFactory, collect: () => void): (reports: readonly ClusterStateReport[]) => void {
  const lookups = series.counter({
    name: 'discovery_lookups_total',
    help: 'Lookups of services: hits were answered from what was known, misses waited for the source.',
    labelNames: ['service', 'result'],
    collect,
  })
  const applied = series.counter({
    name: 'discovery_updates_total',
    help: 'Lists of instances that were applied.',
    labelNames: ['service'],
    collect,
  })
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

/** What was counted between two readings; a count that went back began anew. */
function growth(before: number | undefined, now: number): number {
  return before === undefined || now < before ? now : now - before
}
