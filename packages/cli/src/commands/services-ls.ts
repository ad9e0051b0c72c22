import type { ReadOnlyRegistry, ServiceSnapshot, Staleness } from '@sd/core'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { trafficOptions } from '../fleet/fleet-options.ts'
import { formatMs, formatRate, formatShare, toTrafficData } from '../fleet/words.ts'
import { lines, styled, table } from '../output/view.ts'
import { countHealth, describeHealth } from '../services/health.ts'
import { describeLocality } from '../services/instance-data.ts'
import { countOf, readServices } from '../services/read-services.ts'
import { readServiceTraffic, type ServiceTraffic } from '../services/service-traffic.ts'
import { describeStale, toStaleData } from '../services/stale.ts'

/** `sdctl services ls`: what there is, and its callers. A watch shows what the registry lists; `sdctl top --watch` has calls. */
export const servicesLs: ReadCommand = {
  options: trafficOptions,
  async run(context) {
    const snapshots = await readServices(await context.openSource(), context.signal)
    return describe(context, snapshots, await readServiceTraffic(snapshots, context))
  },
  async *watch(context) {
    const source = await context.openSource()
    if (!source.capabilities.watchAll) {
      yield* context.repeat(() => list(source, context))
      return
    }
    for await (const { value, stale } of source.watchAll({ signal: context.signal })) {
      yield await describe(context, [...(value?.values() ?? [])], undefined, stale)
    }
  },
}

async function list(source: ReadOnlyRegistry, context: CommandContext): Promise<CommandResult> {
  return describe(context, await readServices(source, context.signal))
}

async function describe(
  context: CommandContext,
  snapshots: readonly ServiceSnapshot[],
  calls?: ServiceTraffic,
  stale?: Staleness,
): Promise<CommandResult> {
  const { label } = await context.target()
  const services = snapshots.map(({ service, instances }) => ({
    name: service,
    instances: instances.length,
    health: countHealth(instances),
    versions: distinct(instances.map(({ version }) => version)),
    zones: distinct(instances.map(describeLocality)),
    protocols: distinct(instances.map(({ protocol }) => protocol)),
    calls: calls?.services.get(service),
  }))
  const columns = [
    { title: 'SERVICE' },
    { title: 'INSTANCES' },
    { title: 'VERSIONS' },
    { title: 'CALLS/S', align: 'right' as const },
    { title: 'FAILED', align: 'right' as const },
    { title: 'P99', align: 'right' as const },
    { title: 'CALLED BY' },
    { title: 'PROTOCOLS', isOptional: true },
    { title: 'ZONES', isOptional: true },
  ]
  const rows = services.map(({ name, health, versions, calls: own, protocols, zones }) => [
    name,
    describeHealth(health),
    versions.join(', '),
    own ? formatRate(own.traffic) : '',
    own ? formatShare(own.traffic) : '',
    formatMs(own?.traffic.p99Ms),
    own?.calledBy.join(', ') ?? '',
    protocols.join(', '),
    zones.join(', '),
  ])
  const total = services.reduce((sum, { instances }) => sum + instances, 0)
  const answering = calls?.model.processes.filter(({ state }) => state === 'answers').length
  const answered = calls ? ` · ${answering} of ${calls.model.processes.length} processes answered` : ''
  const footer = `${label} · ${countOf(services.length, 'service')}, ${countOf(total, 'instance')}${answered}`
  const data = services.map(({ calls: own, ...service }) => ({
    ...service,
    ...(own && { traffic: toTrafficData(own.traffic), calledBy: own.calledBy }),
  }))
  return {
    data: { registry: label, services: data, ...toStaleData(stale) },
    view: [
      ...(rows.length > 0 ? [table(columns, rows)] : []),
      lines(styled('dim', footer), ...describeStale(stale, context.now())),
    ],
  }
}

function distinct(values: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== undefined && value !== ''))].sort() as string[]
}
