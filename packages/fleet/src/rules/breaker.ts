import { atReader, earliest, type Finding, type Rule, statesOf } from './rule.ts'
import { groupBy, processes, short, verb } from './words.ts'

/** A circuit breaker refuses calls. */
export const breaker: Rule = {
  name: 'breaker',
  *find(facts): Iterable<Finding> {
    const refusing = statesOf(facts, 'breaker').filter(({ state }) => state.state === 'open' || state.state === 'isolated')
    const groups = groupBy(refusing, ({ state }) => `${facts.nameOf(state.service)}/${state.instanceId ?? ''}/${state.state}`)
    for (const [key, found] of groups) {
      const [{ state: first }] = found as [(typeof found)[number]]
      const service = facts.nameOf(first.service)
      const { instanceId } = first
      const isIsolated = first.state === 'isolated'
      const callers = found.map(({ process }) => process)
      yield {
        key,
        severity: isIsolated ? 'info' : 'warning',
        about: { service, instanceId },
        text: `${processes(callers)} ${verb(callers.length, 'send')} nothing to ${
          instanceId === undefined ? short(service) : `${short(instanceId)} of ${short(service)}`
        }: the breaker is ${isIsolated ? 'isolated by hand' : 'open'}`,
        evidence: found
          .slice(0, 5)
          .map(
            ({ process, state }) =>
              `${short(process.name)}: breaker ${short(state.breaker)}, ${state.reason ?? 'no reason given'}`,
          ),
        next: isIsolated
          ? 'It stays so until the breaker is closed or opened by hand.'
          : 'Look at the failed calls of these callers. The breaker permits trials by itself after its open time.',
        since: earliest(found.map(({ process, state }) => atReader(process, state.since))),
      }
    }
  },
}
