import type { Cluster, Staleness } from '@sd/core'

/** Running counts of one service. */
export interface ServiceCounters {
  /** Lookups answered from what was known. */
  hits: number
  /** Lookups that had to wait for the source. */
  misses: number
  /** Snapshots that were applied. */
  updates: number
}

/** Counts that start at zero. */
export function createServiceCounters(): ServiceCounters {
  return { hits: 0, misses: 0, updates: 0 }
}

/** What Discovery knows of one service. */
export interface ServiceStatistics extends Readonly<ServiceCounters> {
  /** Instances in the last known snapshot. */
  readonly instances: number
  /** Endpoints that may get traffic. */
  readonly eligible: number
  /** For how long the source has been away, in milliseconds; 0 while it is not. */
  readonly staleForMs: number
}

/** What Discovery knows of all services. */
export interface DiscoveryStatistics extends Readonly<ServiceCounters> {
  /** Services that are followed. */
  readonly services: number
  /** Services of which the source is away. */
  readonly stale: number
  /** By service name. */
  readonly byService: ReadonlyMap<string, ServiceStatistics>
}

/** A cluster that counts. */
interface CountedCluster extends Pick<Cluster, 'snapshot' | 'view'> {
  readonly counters: Readonly<ServiceCounters>
  readonly stale: Staleness | undefined
}

/** Adds up what the clusters counted. */
export function summarize(clusters: ReadonlyMap<string, CountedCluster>): DiscoveryStatistics {
  const total = createServiceCounters()
  const byService = new Map<string, ServiceStatistics>()
  let staleServices = 0
  for (const [service, { counters, snapshot, view, stale }] of clusters) {
    total.hits += counters.hits
    total.misses += counters.misses
    total.updates += counters.updates
    if (stale) staleServices++
    byService.set(service, {
      ...counters,
      instances: snapshot?.instances.length ?? 0,
      eligible: view.endpoints.length,
      staleForMs: stale ? Date.now() - stale.sinceMs : 0,
    })
  }
  return { ...total, services: clusters.size, stale: staleServices, byService }
}
