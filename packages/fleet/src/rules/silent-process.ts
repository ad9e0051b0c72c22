import type { FleetProcess } from '../model.ts'
import type { Finding, Rule } from './rule.ts'
import { groupBy, many, processes, short } from './words.ts'

/** From this number on, processes with the same error are one problem. */
const groupFrom = 10

/** An admin endpoint does not answer, or not with what a reader can use. */
export const silentProcess: Rule = {
  name: 'silent-process',
  *find({ model }): Iterable<Finding> {
    const failing = model.processes.filter(({ state }) => state !== 'answers')
    for (const [kind, group] of groupBy(failing, ({ state, lastError }) => `${state}/${lastError?.code}`)) {
      if (group.length >= groupFrom) yield describeGroup(kind, group)
      else yield* group.map(describeOne)
    }
  },
}

function describeOne(process: FleetProcess): Finding {
  const { processId, name, address, state, since, lastError, answeredAt } = process
  const { service, instanceId } = process.services[0] ?? {}
  const what = state === 'silent' ? 'does not answer' : 'gives no snapshot'
  return {
    key: address,
    severity: 'warning',
    about: { processId, service, instanceId },
    text: `The admin endpoint of ${short(name)} ${what}: ${short(address)}`,
    evidence: [...(lastError ? [lastError.message] : []), ...(answeredAt === undefined ? ['It has never answered'] : [])],
    next: nextStep(process),
    since,
    afterMs: state === 'silent' ? 5_000 : 0,
  }
}

function describeGroup(key: string, group: readonly FleetProcess[]): Finding {
  const [first] = group as [FleetProcess]
  return {
    key,
    severity: 'warning',
    about: {},
    text: `The admin endpoints of ${many(group.length, 'process', 'processes')} ${
      first.state === 'silent' ? 'do not answer' : 'give no snapshot'
    }`,
    evidence: [processes(group, 10), ...(first.lastError ? [first.lastError.message] : [])],
    next: nextStep(first),
    since: Math.min(...group.map(({ since }) => since)),
    afterMs: first.state === 'silent' ? 5_000 : 0,
  }
}

function nextStep({ state, lastError }: FleetProcess): string {
  if (lastError?.code === 'SD_DENIED') return 'Check the token of the endpoint, and allowedNetworks of this reader.'
  if (state === 'refuses') return 'Check that the address is that of an admin endpoint, and of a version that this reader knows.'
  return 'Check whether the process runs, and whether its admin port can be reached from here.'
}
