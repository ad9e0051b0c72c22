import { type Finding, type Rule, statesOf } from './rule.ts'
import { groupBy, processes, short } from './words.ts'

/** Callers have no retries left. */
export const retryBudget: Rule = {
  name: 'retry-budget',
  *find(facts): Iterable<Finding> {
    const empty = statesOf(facts, 'retry-budget').filter(({ state }) => state.available < 1)
    for (const [service, found] of groupBy(empty, ({ state }) => facts.nameOf(state.service))) {
      const callers = found.map(({ process }) => process)
      const edges = facts.model.edges.filter(({ to }) => to === service)
      yield {
        key: service,
        severity: 'warning',
        about: { service },
        text: `The retry budget for ${short(service)} is empty in ${processes(callers)}: failed calls are not repeated`,
        evidence: edges
          .filter(({ traffic }) => traffic.retries > 0 || traffic.failedShare > 0)
          .slice(0, 5)
          .map(
            ({ from, traffic }) =>
              `${short(from)}: ${traffic.retries} retries and ${Math.round(traffic.failedShare * 1_000) / 10} % failed calls in the last minute`,
          ),
        next: `Look at why calls to ${short(service)} fail: retries can't hide it any longer.`,
        afterMs: 5_000,
      }
    }
  },
}
