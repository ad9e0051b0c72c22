import type { FleetProcess } from '../model.ts'
import { answering, type Facts, type Finding, type Rule } from './rule.ts'
import { groupBy, many, short } from './words.ts'

/** How long each process must have run before a dependency is said to be unused. */
const minUptimeMs = 300_000

/** A service declares a dependency that none of its processes has called since it started. */
export const unusedDependency: Rule = {
  name: 'unused-dependency',
  *find(facts): Iterable<Finding> {
    const byService = processesByService(facts)
    for (const { from, to, kind } of facts.model.edges) {
      if (kind !== 'declared') continue
      const running = byService.get(from) ?? []
      const instances = facts.services.get(from)?.instances ?? []
      const isObserved =
        instances.length > 0 && instances.every(({ processId }) => running.some((one) => one.processId === processId))
      const isLong = running.every(({ startedAt = facts.now }) => facts.now - startedAt >= minUptimeMs)
      if (!isObserved || !isLong) continue
      yield {
        key: `${from}/${to}`,
        severity: 'info',
        about: { service: from },
        text: `${short(from)} declares that it needs ${short(to)}, and has not called it since it started`,
        evidence: [`Seen by ${many(running.length, 'instance')} of ${short(from)}`],
        next: 'Remove it from needs if it is no longer used.',
      }
    }
  },
}

/** A service that declares its dependencies calls another one. */
export const undeclaredDependency: Rule = {
  name: 'undeclared-dependency',
  *find({ model, services }): Iterable<Finding> {
    for (const { from, to, kind, traffic } of model.edges) {
      const declared = services.get(from)?.needs ?? []
      if (kind !== 'observed' || declared.length === 0) continue
      yield {
        key: `${from}/${to}`,
        severity: 'info',
        about: { service: from },
        text: `${short(from)} calls ${short(to)}, which it does not declare as a dependency`,
        evidence: [`${many(traffic.total, 'call')} in the last minute`],
        next: `Add ${short(to)} to needs of ${short(from)}.`,
      }
    }
  },
}

function processesByService(facts: Facts): ReadonlyMap<string, readonly FleetProcess[]> {
  return groupBy(
    answering(facts).filter(({ services }) => services.length > 0),
    ({ services }) => services[0]?.service ?? '',
  )
}
