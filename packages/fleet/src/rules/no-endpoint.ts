import { type Finding, type Rule, statesOf } from './rule.ts'
import { groupBy, processes, short, verb } from './words.ts'

/** A caller has no endpoint that it may use. A service without instances has a rule of its own. */
export const noEndpoint: Rule = {
  name: 'no-endpoint',
  *find(facts): Iterable<Finding> {
    const empty = statesOf(facts, 'cluster').filter(({ state }) => state.eligible === 0)
    for (const [service, found] of groupBy(empty, ({ state }) => facts.nameOf(state.service))) {
      const known = facts.services.get(service)
      if (!known?.isRegistered) continue
      const callers = found.map(({ process }) => process)
      yield {
        key: service,
        severity: known.traffic.total > 0 ? 'critical' : 'warning',
        about: { service },
        text: `${processes(callers)} ${verb(callers.length, 'find')} no endpoint of ${short(service)} that may get traffic`,
        evidence: found
          .slice(0, 5)
          .map(({ process, state }) => `${short(process.name)}: ${describeOut(state.instances, state.outBy)}`),
        next: `Explain ${short(service)}: it has the reason for each endpoint.`,
      }
    }
  },
}

function describeOut(
  instances: Readonly<Record<string, number>>,
  outBy: Readonly<Record<string, number | undefined>> = {},
): string {
  const parts = (counts: Readonly<Record<string, number | undefined>>): string =>
    Object.entries(counts)
      .filter(([, count]) => (count ?? 0) > 0)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')
  const out = parts(outBy)
  return `${parts(instances) || 'no instance'}${out === '' ? '' : `; out because of: ${out}`}`
}
