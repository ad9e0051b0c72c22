import type { ReadOnlyRegistry, ServiceSnapshot, Staleness } from '@sd/core'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { lines, styled, table } from '../output/view.ts'
import { countHealth, describeHealth } from '../services/health.ts'
import { describeLocality } from '../services/instance-data.ts'
import { countOf, readServices } from '../services/read-services.ts'
import { describeStale, toStaleData } from '../services/stale.ts'

/** `sdctl services ls`: what there is. */
export const servicesLs: ReadCommand = {
  async run(context) {
    return list(await context.openSource(), context)
  },
  async *watch(context) {
    const source = await context.openSource()
    if (!source.capabilities.watchAll) {
      yield* context.repeat(() => list(source, context))
      return
    }
    for await (const { value, stale } of source.watchAll({ signal: context.signal })) {
      yield await describe(context, [...(value?.values() ?? [])], stale)
    }
  },
}

async function list(source: ReadOnlyRegistry, context: CommandContext): Promise<CommandResult> {
  return describe(context, await readServices(source, context.signal))
}

async function describe(
  context: CommandContext,
  snapshots: readonly ServiceSnapshot[],
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
  }))
  const columns = [
    { title: 'SERVICE' },
    { title: 'INSTANCES' },
    { title: 'VERSIONS' },
    { title: 'PROTOCOLS', isOptional: true },
    { title: 'ZONES', isOptional: true },
  ]
  const rows = services.map(({ name, health, versions, protocols, zones }) => [
    name,
    describeHealth(health),
    versions.join(', '),
    protocols.join(', '),
    zones.join(', '),
  ])
  const total = services.reduce((sum, { instances }) => sum + instances, 0)
  const footer = `${label} · ${countOf(services.length, 'service')}, ${countOf(total, 'instance')}`
  return {
    data: { registry: label, services, ...toStaleData(stale) },
    view: [
      ...(rows.length > 0 ? [table(columns, rows)] : []),
      lines(styled('dim', footer), ...describeStale(stale, context.now())),
    ],
  }
}

function distinct(values: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== undefined && value !== ''))].sort() as string[]
}
