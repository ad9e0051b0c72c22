import { type EdgeCounts, LATENCY_BOUNDS, type ProcessInfo, type ProcessSnapshot } from '@sd/admin'
import type { ClusterAnswer, ClusterStateReport, EndpointAnswer } from '@sd/core'

/** Parts of a snapshot that a test gives. */
export interface SnapshotParts extends Partial<Omit<ProcessSnapshot, 'info' | 'edges'>> {
  readonly info?: Partial<ProcessInfo>
  readonly since?: number
  readonly edges?: readonly EdgeCounts[]
}

/** A snapshot of a process as `@sd/admin` answers it. */
export function createSnapshotOf(parts: SnapshotParts = {}): ProcessSnapshot {
  const { info, since, edges = [], ...rest } = parts
  const now = info?.now ?? Date.now()
  return {
    info: {
      protocol: 1,
      processId: 'p1',
      host: 'host-1',
      pid: 1,
      instances: [],
      name: 'orders',
      startedAt: now - 3_600_000,
      now,
      node: '24.0.0',
      packages: { '@sd/core': ['1.0.0'] },
      controls: [],
      ...info,
    },
    states: [],
    edges: { since: since ?? now - 3_600_000, edges, omitted: 0 },
    system: {
      cpu: 0.1,
      residentBytes: 100_000_000,
      heapUsedBytes: 24_000_000,
      heapLimitBytes: 100_000_000,
      loopDelayMs: 2,
      uptimeMs: 3_600_000,
      databases: [],
    },
    lifecycles: [],
    health: [],
    alerts: [],
    locks: [],
    configs: [],
    gateways: [],
    ...rest,
  }
}

/** Counts of calls, or of attempts at an instance, which all took `ms`. */
export function countsOf(service: string, total: number, ms: number = 4, more: Partial<EdgeCounts> = {}): EdgeCounts {
  const index = LATENCY_BOUNDS.findIndex((bound) => ms <= bound)
  const bucket = index < 0 ? LATENCY_BOUNDS.length : index
  return {
    service,
    total,
    failed: {},
    retries: 0,
    hedges: 0,
    refused: {},
    latency: Array.from({ length: LATENCY_BOUNDS.length + 1 }, (_, at) => (at === bucket ? total : 0)),
    latencySumMs: total * ms,
    ...more,
  }
}

/** The state of a cluster whose endpoints all get traffic. */
export function clusterOf(service: string, healthy: number, more: Partial<ClusterStateReport> = {}): ClusterStateReport {
  return {
    kind: 'cluster',
    service,
    instances: { healthy, unhealthy: 0, draining: 0, unknown: 0 },
    eligible: healthy,
    ejected: 0,
    out: 0,
    isPanic: false,
    held: 0,
    staleForMs: 0,
    startedAt: 0,
    hits: 0,
    misses: 0,
    updates: 1,
    ...more,
  }
}

/** An endpoint that gets traffic. */
export function endpointOf(instanceId: string, more: Partial<EndpointAnswer> = {}): EndpointAnswer {
  return {
    instanceId,
    origin: 'http://127.0.0.1:80',
    health: 'healthy',
    weight: 1,
    outs: [],
    checks: [],
    latencyMs: 4,
    active: 0,
    ...more,
  }
}

/** The endpoints of a service as one caller sees them. */
export function clusterAnswerOf(service: string, endpoints: readonly EndpointAnswer[]): ClusterAnswer {
  return { service, isUnknown: false, isPanic: false, endpoints, omitted: 0 }
}
