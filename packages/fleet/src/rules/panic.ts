import { type Finding, type Rule, statesOf } from './rule.ts'
import { groupBy, processes, short } from './words.ts'

/** Too few endpoints are available, so that callers use all of them. */
export const panic: Rule = {
  name: 'panic',
  *find(facts): Iterable<Finding> {
    const found = statesOf(facts, 'cluster').filter(({ state }) => state.isPanic)
    for (const [service, callers] of groupBy(found, ({ state }) => facts.nameOf(state.service))) {
      yield {
        key: service,
        severity: 'critical',
        about: { service },
        text: `Too few endpoints of ${short(service)} are available: ${processes(callers.map(({ process }) => process))} use all of them`,
        evidence: callers
          .slice(0, 5)
          .map(({ process, state }) => `${short(process.name)}: ${state.out} out, ${state.ejected} of them ejected`),
        next: `Explain ${short(service)}: it has the reason for each endpoint.`,
      }
    }
  },
}
