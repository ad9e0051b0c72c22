import type { Cluster, ClusterStateReport, HealthStatus, OutReason, Staleness } from '@sd/core'

/** Counters of one service. */
export interface ServiceCounters {
  /** Lookups served from memory. */
  hits: number
  /** Lookups that waited for the source. */
  misses: number
  /** Snapshots that were applied. */
  updates: number
}

/** Creates counters that start at zero. */
export function createServiceCounters(): ServiceCounters {
  return { hits: 0, misses: 0, updates: 0 }
}

/** Statistics of one service. */
export interface ServiceStatistics extends Readonly<ServiceCounters> {
  /** Instances in the last known snapshot. */
  readonly instances: number
  /** Endpoints that may get traffic. */
  readonly eligible: number
  /** Endpoints that monitors ejected. */
  readonly ejected: number
  /** Endpoints that are out for any reason, including ejected ones. */
  readonly out: number
  /** Endpoints that are out, by the first reason of each. Reasons without an endpoint are omitted. */
  readonly outBy: Readonly<Partial<Record<OutReason, number>>>
  /** Whether so few endpoints are in that those that are out are used too. */
  readonly isPanic: boolean
  /** Instances that are kept although the source no longer lists them. */
  readonly held: number
  /** How long the source has been unreachable, in milliseconds; 0 while it is reachable. */
  readonly staleForMs: number
}

/** Statistics of all services. */
export interface DiscoveryStatistics extends Readonly<ServiceCounters> {
  /** Services that are followed. */
  readonly services: number
  /** Services whose source is unreachable. */
  readonly stale: number
  /** Statistics by service name. */
  readonly byService: ReadonlyMap<string, ServiceStatistics>
}

/** The part of a cluster that statistics read. */
interface CountedCluster extends Pick<Cluster, 'service' | 'snapshot' | 'view'> {
  readonly startedAt: number
  readonly counters: Readonly<ServiceCounters>
  readonly ejected: number
  readonly out: number
  readonly outBy: ServiceStatistics['outBy']
  readonly isPanic: boolean
  readonly stale: Staleness | undefined
}

/** Adds up the counters of all clusters. */
export function summarize(clusters: ReadonlyMap<string, CountedCluster>): DiscoveryStatistics {
  const total = createServiceCounters()
  const byService = new Map<string, ServiceStatistics>()
  let staleServices = 0
  for (const [service, cluster] of clusters) {
    const { hits, misses, updates } = cluster.counters
    total.hits += hits
    total.misses += misses
    total.updates += updates
    if (cluster.stale) staleServices++
    byService.set(service, statisticsOf(cluster))
  }
  return { ...total, services: clusters.size, stale: staleServices, byService }
}

/** The state of a cluster, for `collectStates()`. */
export function reportCluster(cluster: CountedCluster): ClusterStateReport {
  const instances: Record<HealthStatus, number> = { healthy: 0, unhealthy: 0, draining: 0, unknown: 0 }
  for (const { health } of cluster.snapshot?.instances ?? []) instances[health.status]++
  return { ...statisticsOf(cluster), kind: 'cluster', service: cluster.service, startedAt: cluster.startedAt, instances }
}

function statisticsOf({ counters, snapshot, view, ejected, out, outBy, isPanic, stale }: CountedCluster): ServiceStatistics {
  return {
    ...counters,
    instances: snapshot?.instances.length ?? 0,
    eligible: view.endpoints.length,
    ejected,
    out,
    outBy,
    isPanic,
    held: snapshot?.held?.instanceIds.length ?? 0,
    staleForMs: stale ? Date.now() - stale.since : 0,
  }
}
