import { atReader, earliest, type Finding, type Rule, statesOf } from './rule.ts'
import { groupBy, list, processes, short, verb } from './words.ts'

/** The newest content of a source of configuration was rejected. */
export const configRefused: Rule = {
  name: 'config-refused',
  *find(facts): Iterable<Finding> {
    const refused = statesOf(facts, 'config').flatMap(({ process, state }) =>
      state.refusedSources.map((source) => ({ process, config: state.config, source })),
    )
    for (const [key, found] of groupBy(refused, ({ config, source }) => `${config}/${source}`)) {
      const [{ config, source }] = found as [(typeof found)[number]]
      const answers = found.flatMap(({ process }) =>
        process.configs
          .filter((one) => one.config === config)
          .flatMap(({ sources }) =>
            sources.flatMap((one) => (one.source === source && one.refused ? { process, ...one.refused } : [])),
          ),
      )
      const failures = answers.flatMap((one) => one.failures)
      yield {
        key,
        severity: 'critical',
        about: { config, ...(found.length === 1 && { processId: found[0]?.process.processId }) },
        text: `${processes(found.map(({ process }) => process))} ${verb(found.length, 'reject')} the newest content of ${short(source)} for configuration ${short(config)}`,
        evidence: [...new Set(failures.map(({ key: place, line, message }) => `${describePlace(place, line)}${message}`))].slice(
          0,
          5,
        ),
        next: 'The last valid values stay in effect. Correct the content, or roll it back.',
        since: earliest(answers.map(({ process, since }) => atReader(process, since))),
      }
    }
  },
}

function describePlace(key: string | undefined, line: number | undefined): string {
  if (key === undefined) return ''
  return `${short(key)}${line === undefined ? '' : ` line ${line}`}: `
}

/** Instances of one service have different values for longer than a minute. */
export const configDiffers: Rule = {
  name: 'config-differs',
  *find(facts): Iterable<Finding> {
    const known = statesOf(facts, 'config').flatMap(({ process, state }) => {
      const service = process.services[0]?.service
      return service === undefined || state.digest === undefined ? [] : { process, service, config: state.config, state }
    })
    for (const [key, found] of groupBy(known, ({ service, config }) => `${service}/${config}`)) {
      const byDigest = [...groupBy(found, ({ state }) => state.digest ?? '').values()].sort((a, b) => b.length - a.length)
      if (byDigest.length < 2) continue
      const [{ service, config }] = found as [(typeof found)[number]]
      yield {
        key,
        severity: 'warning',
        about: { service, config },
        text: `Instances of ${short(service)} have different values of configuration ${short(config)}`,
        evidence: byDigest.slice(0, 5).map((group) => {
          const newest = Math.max(...group.map(({ process, state }) => atReader(process, state.updatedAt) ?? 0))
          const names = list(
            group.map(({ process }) => process.name),
            5,
          )
          return `${names}: in effect since ${new Date(Math.min(Math.max(newest, 0), 8e15)).toISOString()}`
        }),
        next: 'Check whether a gray release is in progress, and whether a source of these instances is stale or refused.',
        afterMs: 60_000,
      }
    }
  },
}
