import { toWireError } from '@sd/core'
import type { ModelState } from '../changes/change.ts'
import type { ProcessEntry } from '../process/process-table.ts'
import { instancesOf, type RegistryFacts } from '../registry/registry-view.ts'
import type { TrafficStore } from '../traffic/traffic-store.ts'
import { joinEdges } from './join-edges.ts'
import { type JoinedProcesses, joinProcesses } from './join-processes.ts'
import { type HealthTimes, joinServices } from './join-services.ts'
import { serviceOfName } from './names.ts'
import type { ViewStore } from './views.ts'

/** What a model is built of. */
export interface ModelSources {
  readonly now: number
  readonly registry: RegistryFacts & { readonly name: string; readonly url: string }
  readonly entries: readonly ProcessEntry[]
  /** Number of admin endpoints that are not polled. */
  readonly omittedProcesses: number
  readonly traffic: TrafficStore
  readonly views: ViewStore
  readonly health: HealthTimes
}

/** Joins what the registry lists and what the processes answered. */
export function buildModel(sources: ModelSources): { readonly model: ModelState; readonly joined: JoinedProcesses } {
  const { now, registry, entries, traffic, views, health, omittedProcesses } = sources
  const joined = joinProcesses(entries)
  const nameOf = (called: string): string => serviceOfName(called, registry.services)
  const { edges, omitted: omittedEdges } = joinEdges({
    entries: joined.entries.values(),
    instances: instancesOf(registry),
    traffic,
    nameOf,
    now,
  })
  const { services, omitted: omittedInstances } = joinServices({
    registry,
    edges,
    byInstance: joined.byInstance,
    views: views.byInstance(now),
    health,
    traffic,
    now,
  })
  const { name, url, isKnown, stale } = registry
  const model: ModelState = {
    at: now,
    registry: { name, url, isKnown, ...(stale && { staleSince: stale.since, lastError: toWireError(stale.error) }) },
    services,
    processes: joined.processes,
    edges,
    omitted: {
      services: registry.omitted,
      instances: omittedInstances,
      processes: omittedProcesses,
      edges: omittedEdges,
      problems: 0,
    },
  }
  return { model, joined }
}
