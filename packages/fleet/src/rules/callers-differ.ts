import type { ClusterStateReport } from '@sd/core'
import type { Facts, Finding, ProcessState, Rule } from './rule.ts'
import { statesOf } from './rule.ts'
import { groupBy, list, many, processes, short } from './words.ts'

/** Callers know different instances of one service. A change needs a moment to reach all of them. */
export const callersDiffer: Rule = {
  name: 'callers-differ',
  *find(facts): Iterable<Finding> {
    const fresh = statesOf(facts, 'cluster').filter(({ state }) => state.staleForMs === 0 && state.held === 0)
    for (const [name, found] of groupBy(fresh, ({ state }) => state.service)) {
      const bySize = groupBy(found, ({ state }) => String(sizeOf(state)))
      const listed = facts.services.get(name)
      const isWholeService = listed?.isRegistered === true && facts.model.registry.staleSince === undefined
      const size = listed?.instances.length ?? 0
      if (bySize.size < 2 && (!isWholeService || bySize.has(String(size)))) continue
      const service = facts.nameOf(name)
      yield {
        key: name,
        severity: 'warning',
        about: { service },
        text:
          bySize.size < 2
            ? `Callers of ${short(name)} know other instances than the registry lists`
            : `Callers disagree about the instances of ${short(name)}`,
        evidence: [
          ...(isWholeService ? [`The registry lists ${many(size, 'instance')}`] : []),
          ...[...bySize].slice(0, 5).map(([count, group]) => `${many(Number(count), 'instance')}: ${nameAll(group)}`),
          ...differencesOf(facts, service),
        ],
        next: 'Check that these callers use the same registry, namespace and filters, and that they can reach the registry.',
        afterMs: 15_000,
      }
    }
  },
}

function sizeOf({ instances }: ClusterStateReport): number {
  return Object.values(instances).reduce((sum, count) => sum + count, 0)
}

function nameAll(found: readonly ProcessState<'cluster'>[]): string {
  return processes(
    found.map(({ process }) => process),
    5,
  )
}

/** The instances that some callers do not know, if the callers were asked. */
function differencesOf(facts: Facts, service: string): readonly string[] {
  const views = facts.views(service)
  const all = new Set(views.flatMap(({ cluster }) => cluster.endpoints.map(({ instanceId }) => instanceId)))
  return views
    .map(({ caller, cluster }) => {
      const known = new Set(cluster.endpoints.map(({ instanceId }) => instanceId))
      return { caller, missing: [...all].filter((id) => !known.has(id)) }
    })
    .filter(({ missing }) => missing.length > 0)
    .slice(0, 5)
    .map(({ caller, missing }) => `${short(caller)} does not know ${list(missing)}`)
}
