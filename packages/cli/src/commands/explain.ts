import type { CallerFinding, FleetModel, InstanceFinding, ServiceFinding } from '@sd/fleet'
import type { FleetReader } from '../backends.ts'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { trafficOptions } from '../fleet/fleet-options.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, describeSeverity, formatMs, formatRate, toTrafficData } from '../fleet/words.ts'
import { fields, type Line, lines, sentences, styled, table } from '../output/view.ts'

/** `sdctl explain <service>`: why a service gets traffic or not. */
export const explain: ReadCommand = {
  arguments: [{ name: 'service', description: 'name of the service' }],
  options: [...trafficOptions, { flags: '--from <caller>', description: 'only as this service or process sees it' }],
  ...readingFleet(show, true),
}

async function show(model: FleetModel, context: CommandContext, fleet: FleetReader): Promise<CommandResult> {
  const from = context.option('from')
  const found = await fleet.explain(context.argument('service'), { ...(from !== undefined && { from }), signal: context.signal })
  return {
    data: toData(found),
    view: [
      sentences(styled('bold', found.text)),
      ...(found.instances.length > 0 ? [instanceTable(found.instances)] : []),
      sentences(...found.instances.flatMap(describeReasons), describeCallers(found), ...describeProblems(found)),
      ...(from === undefined ? [] : found.callers.map((caller) => fields(...describeSettings(caller)))),
      lines(describeFleet(model)),
    ],
  }
}

function instanceTable(all: readonly InstanceFinding[]): ReturnType<typeof table> {
  const right = (title: string) => ({ title, align: 'right' as const })
  const columns = [
    { title: 'INSTANCE' },
    { title: 'ADDRESS' },
    right('WEIGHT'),
    right('ATT/S'),
    right('MEAN'),
    right('ACTIVE'),
    { title: 'TRAFFIC' },
  ]
  const rows = all.map(({ instance }): readonly Line[] => {
    const getting = instance.views.some(({ gets }) => gets)
    const isAsked = instance.views.length > 0
    return [
      instance.instanceId,
      instance.origin.replace(/^[a-z]+:\/\//, ''),
      String(instance.weight),
      formatRate(instance.traffic),
      formatMs(instance.traffic.meanMs),
      isAsked ? String(instance.views.reduce((sum, { active }) => sum + active, 0)) : '',
      isAsked ? (getting ? styled('green', 'yes') : styled('red', 'no')) : 'not asked',
    ]
  })
  return table(columns, rows)
}

/** The rest of a sentence that does not fit into the table. */
function describeReasons({ instance, text, reasons }: InstanceFinding): readonly Line[] {
  const isPlain = reasons.length === 0 && !text.includes(';')
  return isPlain ? [] : [[styled('bold', `${instance.instanceId} `), text]]
}

function describeCallers({ callers, callersDiffer, omittedCallers }: ServiceFinding): Line {
  const failed = callers.filter(({ error }) => error !== undefined)
  const silent =
    failed.length > 0 ? `; ${failed.map(({ caller, error }) => `${caller} did not answer: ${error?.message}`).join('; ')}` : ''
  const more = omittedCallers > 0 ? `; ${omittedCallers} more callers were not asked` : ''
  if (callers.length === 0) return 'No process with an admin endpoint calls it.'
  const names = callers.map(({ caller }) => caller).join(', ')
  return callersDiffer
    ? [styled('yellow', 'Callers differ: '), `${names} do not see the same${silent}${more}`]
    : `Callers do not differ: ${names}${silent}${more}`
}

function describeProblems({ problems }: ServiceFinding): readonly Line[] {
  return problems.flatMap(({ severity, text, next }) => [
    [describeSeverity(severity), `  ${text}`] as Line,
    ...(next === undefined ? [] : [[styled('dim', '  → '), next] as Line]),
  ])
}

function describeSettings({ caller, calls, traffic }: CallerFinding): readonly (readonly [label: string, value: Line])[] {
  const failures = [...Object.entries(traffic.failed), ...Object.entries(traffic.refused)].map(
    ([code, count]) => `${count} ${code}`,
  )
  return [
    ['caller', caller],
    [
      'calls',
      traffic.total === 0
        ? 'none in the last minute'
        : `${traffic.total} in the last minute, ${failures.join(', ') || 'none failed'}`,
    ],
    ['balancer', calls?.balancer ?? ''],
    [
      'settings',
      Object.entries(calls?.settings ?? {})
        .map(([name, value]) => `${name}=${value}`)
        .join(', '),
    ],
  ]
}

function toData(found: ServiceFinding): object {
  const { service, at, isRegistered, text, instances, callers, callersDiffer, omittedCallers, problems } = found
  return {
    service,
    at,
    isRegistered,
    text,
    callersDiffer,
    omittedCallers,
    instances: instances.map(({ instance, text: why, reasons }) => ({
      id: instance.instanceId,
      origin: instance.origin,
      health: instance.health,
      weight: instance.weight,
      traffic: toTrafficData(instance.traffic),
      text: why,
      reasons,
      views: instance.views.map(({ caller, gets, reason, latencyMs, active }) => ({
        caller,
        gets,
        ...(reason !== undefined && { reason }),
        latencyMs,
        active,
      })),
    })),
    callers: callers.map(({ processId, caller, traffic, calls, error }) => ({
      processId,
      caller,
      traffic: toTrafficData(traffic),
      ...(calls && { balancer: calls.balancer, settings: calls.settings }),
      ...(error && { error }),
    })),
    problems,
  }
}
