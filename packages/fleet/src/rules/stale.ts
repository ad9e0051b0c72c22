import { type Finding, type Rule, statesOf } from './rule.ts'
import { groupBy, list, short } from './words.ts'

const afterMs = 30_000

/** A registry is unreachable, for this reader or for a process, so that lists of instances may be old. */
export const staleLists: Rule = {
  name: 'stale',
  *find(facts): Iterable<Finding> {
    const { registry } = facts.model
    if (registry.staleSince !== undefined) {
      yield {
        key: 'registry',
        severity: 'critical',
        about: {},
        text: `The registry ${short(registry.name)} can't be read from here`,
        evidence: registry.lastError ? [registry.lastError.message] : [],
        next: 'What is shown of services and instances is the last known state. Check the registry, its URL and credentials.',
        since: registry.staleSince,
        afterMs: 5_000,
      }
    }
    const stale = statesOf(facts, 'cluster').filter(({ state }) => state.staleForMs > afterMs)
    for (const [processId, found] of groupBy(stale, ({ process }) => process.processId)) {
      const [{ process }] = found as [(typeof found)[number]]
      yield {
        key: processId,
        severity: 'warning',
        about: { processId },
        text: `${short(process.name)} works with old lists of instances: its registry is unreachable`,
        evidence: [
          `Old lists: ${list(
            found.map(({ state }) => state.service),
            6,
          )}`,
          ...process.states
            .filter((state) => state.kind === 'backend')
            .filter(({ state }) => state === 'disconnected')
            .slice(0, 3)
            .map(({ backend, lastError }) => `${short(backend)} is disconnected${lastError ? `: ${lastError.message}` : ''}`),
        ],
        next: 'Calls continue with the last known instances. Check the registry and the network between them.',
        since: facts.now - Math.max(...found.map(({ state }) => state.staleForMs)),
      }
    }
  },
}

/** A source of a configuration is unreachable, so that its values may be old. */
export const staleConfig: Rule = {
  name: 'stale-config',
  *find(facts): Iterable<Finding> {
    for (const { process, state } of statesOf(facts, 'config')) {
      const { config, staleSources, degradedForMs } = state
      if (staleSources.length === 0 || degradedForMs <= afterMs) continue
      const answer = process.configs.find((one) => one.config === config)
      yield {
        key: `${process.processId}/${config}`,
        severity: 'warning',
        about: { processId: process.processId, config },
        text: `${short(process.name)} can't read ${list(staleSources)} of configuration ${short(config)}`,
        evidence: (answer?.sources ?? [])
          .flatMap(({ source, stale }) => (stale ? `${short(source)}: ${stale.error.message}` : []))
          .slice(0, 5),
        next: 'The last known values stay in effect. Check the source and the network between them.',
        since: facts.now - degradedForMs,
      }
    }
  },
}
