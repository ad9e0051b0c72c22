import type { FleetModel } from '@sd/fleet'
import { formatAge } from '../duration.ts'
import { readModel } from '../fleet/read-fleet.ts'
import { countOf } from '../services/read-services.ts'
import type { DoctorCheck, Finding } from './check.ts'

/** Differences of clocks from which times of different processes mislead, in milliseconds. */
const clockLimitMs = 2_000
const guide = 'docs/guides/command-line.md#processes'
/** Most names in one finding. */
const maxNames = 5

/** The processes: whether they answer, their versions, their clocks, and what is wrong with them. */
export const processesCheck: DoctorCheck = {
  name: 'processes',
  async run(context) {
    const saved = await context.savedContext()
    if (!saved?.registry && context.registryOption === undefined && !context.env['SD_REGISTRY']) return []
    if (!(await context.openSource()).capabilities.listServices) return []
    const model = await readModel(await context.openFleet())
    return [...checkEndpoints(model), ...checkVersions(model), ...checkClocks(model), ...checkProblems(model)]
  },
}

function checkEndpoints({ services, processes }: FleetModel): readonly Finding[] {
  const all = services.flatMap(({ instances }) => instances)
  const known = new Set(processes.flatMap((process) => process.services.map(({ instanceId }) => instanceId)))
  const without = all
    .filter(({ instanceId, processId }) => processId === undefined && !known.has(instanceId))
    .map(({ instanceId }) => instanceId)
  const silent = processes.filter(({ state }) => state !== 'answers')
  return [
    ...(processes.length > silent.length
      ? [
          {
            level: 'fine' as const,
            text: `${processes.length - silent.length} of ${countOf(processes.length, 'admin endpoint')} answered`,
          },
        ]
      : []),
    ...silent.slice(0, maxNames).map(
      ({ name, address, lastError }): Finding => ({
        level: 'problem',
        text: `the admin endpoint of ${name} at ${address} does not answer: ${lastError?.message ?? 'no reason is known'}`,
      }),
    ),
    ...(without.length > 0
      ? [
          {
            level: 'warning' as const,
            text: `${without.length} of ${countOf(all.length, 'instance')} have no admin endpoint: ${namesOf(without)}`,
            next: guide,
          },
        ]
      : []),
  ]
}

function checkVersions({ processes }: FleetModel): readonly Finding[] {
  return processes.flatMap(({ name, packages }): readonly Finding[] => {
    const versions = packages['@sd/core'] ?? []
    if (versions.length < 2) return []
    const text = `${versions.map((version) => `@sd/core ${version}`).join(' and ')} in one process (${name}): they work together, telemetry is from all`
    return [{ level: 'warning', text, next: 'npm dedupe' }]
  })
}

function checkClocks({ processes }: FleetModel): readonly Finding[] {
  return processes.flatMap(({ name, state, clockOffsetMs }): readonly Finding[] => {
    if (state !== 'answers' || Math.abs(clockOffsetMs) < clockLimitMs) return []
    const text = `the clock of ${name} is ${formatAge(Math.abs(clockOffsetMs))} ${clockOffsetMs > 0 ? 'behind' : 'ahead of'} the one here`
    return [{ level: 'warning', text, next: 'synchronize the clocks' }]
  })
}

function checkProblems({ problems }: FleetModel): readonly Finding[] {
  const [first] = problems.filter(({ severity }) => severity !== 'info')
  if (!first) return []
  const count = problems.filter(({ severity }) => severity !== 'info').length
  const more = count > 1 ? `, and ${count - 1} more` : ''
  return [{ level: first.severity === 'critical' ? 'problem' : 'warning', text: `${first.text}${more}`, next: 'sdctl problems' }]
}

function namesOf(names: readonly string[]): string {
  return names.length > maxNames ? `${names.slice(0, maxNames).join(', ')}, …` : names.join(', ')
}
