import { atReader, earliest, type Finding, type ProcessState, type Rule, statesOf } from './rule.ts'
import { duration, groupBy, list, processes, short, verb } from './words.ts'

/** A change of the configuration within this time before is named: it may be the cause. */
const recentMs = 300_000

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
      const changed = isIsolated ? [] : found.flatMap(changesBefore)
      yield {
        key,
        severity: isIsolated ? 'info' : 'warning',
        about: { service, instanceId },
        text: `${processes(callers)} ${verb(callers.length, 'send')} nothing to ${
          instanceId === undefined ? short(service) : `${short(instanceId)} of ${short(service)}`
        }: the breaker is ${isIsolated ? 'isolated by hand' : 'open'}`,
        evidence: [
          ...found
            .slice(0, 5)
            .map(
              ({ process, state }) =>
                `${short(process.name)}: breaker ${short(state.breaker)}, ${state.reason ?? 'no reason given'}`,
            ),
          ...changed
            .slice(0, 5)
            .map(({ process, config, ms }) => `${short(process)}: configuration ${short(config)} changed ${duration(ms)} before`),
        ],
        next: isIsolated
          ? 'It stays so until the breaker is closed or opened by hand.'
          : changed.length > 0
            ? `Look at the last change of ${list(changed.map(({ config }) => config))}: an earlier version can be restored. The breaker closes by itself.`
            : 'Look at the failed calls of these callers. The breaker permits trials by itself after its open time.',
        since: earliest(found.map(({ process, state }) => atReader(process, state.since))),
      }
    }
  },
}

/** Configurations of a process that changed shortly before its breaker did. */
function changesBefore({
  process,
  state: { since },
}: ProcessState<'breaker'>): readonly { readonly process: string; readonly config: string; readonly ms: number }[] {
  if (since === undefined) return []
  return process.configs
    .map(({ config, version, updatedAt }) => ({ process: process.name, config, version, ms: since - updatedAt }))
    .filter(({ version, ms }) => version > 1 && ms >= 0 && ms <= recentMs)
}
