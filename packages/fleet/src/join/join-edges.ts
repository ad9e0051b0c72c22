import type { ServiceInstance } from '@sd/core'
import type { FleetEdge } from '../model.ts'
import type { ProcessEntry } from '../process/process-table.ts'
import type { TrafficStore } from '../traffic/traffic-store.ts'
import { callerName } from './names.ts'

/** Most edges of a model. */
const maxEdges = 20_000

/** What edges are found in. */
export interface EdgeSources {
  readonly entries: Iterable<ProcessEntry>
  readonly instances: Iterable<ServiceInstance>
  readonly traffic: TrafficStore
  readonly nameOf: (service: string) => string
  readonly now: number
}

/** Edges by caller and called service, those seen and those declared. */
export function joinEdges({ entries, instances, traffic, nameOf, now }: EdgeSources): {
  readonly edges: readonly FleetEdge[]
  readonly omitted: number
} {
  const kinds = new Map<string, Map<string, FleetEdge['kind']>>()
  let size = 0
  let omitted = 0
  function note(from: string, to: string, kind: 'observed' | 'declared'): void {
    const known = kinds.get(from) ?? new Map<string, FleetEdge['kind']>()
    const before = known.get(to)
    if (before === undefined && size >= maxEdges) {
      omitted++
      return
    }
    if (before === undefined) size++
    kinds.set(from, known.set(to, before === undefined || before === kind ? kind : 'both'))
  }

  for (const entry of entries) {
    const from = callerName(entry)
    for (const { service, instanceId, total } of entry.snapshot?.edges.edges ?? []) {
      if (instanceId === undefined && total > 0) note(from, nameOf(service), 'observed')
    }
  }
  for (const [to, callers] of traffic.callers(now)) for (const from of callers) note(from, to, 'observed')
  for (const { service, needs = [] } of instances) for (const need of needs) note(service, need, 'declared')

  const edges: FleetEdge[] = []
  for (const [from, known] of [...kinds].sort(byFirst)) {
    for (const [to, kind] of [...known].sort(byFirst)) edges.push({ from, to, kind, traffic: traffic.edge(from, to, now) })
  }
  return { edges, omitted }
}

function byFirst([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}
