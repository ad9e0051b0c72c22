import { SdError } from '@sd/core'
import type { FleetModel, FleetProcess } from '@sd/fleet'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { trafficOptions } from '../fleet/fleet-options.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, formatBytes, formatMs, formatRate, formatShare, toTrafficData } from '../fleet/words.ts'
import { type Column, type Line, lines, styled, table } from '../output/view.ts'

const numbers: readonly Column[] = ['FAILED', 'MEAN', 'P99'].map((title) => ({ title, align: 'right' as const }))

/** `sdctl top [service]`: calls of each service, or attempts and load of each instance of one. */
export const top: ReadCommand = {
  arguments: [{ name: 'service', description: 'shows its instances; all services otherwise', isOptional: true }],
  options: trafficOptions,
  ...readingFleet(
    (model, context) => (context.argument('service') === '' ? showServices(model) : showInstances(model, context)),
    true,
  ),
}

function showServices(model: FleetModel): CommandResult {
  const services = [...model.services].sort((a, b) => b.traffic.perSecond - a.traffic.perSecond)
  const columns = [{ title: 'SERVICE' }, { title: 'CALLS/S', align: 'right' as const }, ...numbers, { title: 'CALLED BY' }]
  const rows = services.map(({ service, traffic, calledBy }) => [
    service,
    formatRate(traffic),
    formatShare(traffic),
    formatMs(traffic.meanMs),
    formatMs(traffic.p99Ms),
    calledBy.join(', '),
  ])
  return {
    data: {
      at: model.at,
      services: services.map(({ service, traffic, calledBy }) => ({ name: service, traffic: toTrafficData(traffic), calledBy })),
    },
    view: [...(rows.length > 0 ? [table(columns, rows)] : []), lines(describeFleet(model))],
  }
}

function showInstances(model: FleetModel, context: CommandContext): CommandResult {
  const name = context.argument('service')
  const found = model.services.find(({ service }) => service === name)
  if (!found) throw new SdError('SD_NOT_FOUND', `${model.registry.name} has no service ${name}, and it is not called`)
  const processes = new Map(model.processes.map((process) => [process.processId, process]))
  const all = found.instances.map((instance) => ({
    instance,
    process: instance.processId === undefined ? undefined : processes.get(instance.processId),
    notes: model.problems.filter(({ about, rule }) => about.instanceId === instance.instanceId && rule === 'slow-instance'),
  }))
  const right = (title: string): Column => ({ title, align: 'right' })
  const columns = [
    { title: 'INSTANCE' },
    right('ATT/S'),
    ...numbers,
    right('CPU'),
    right('HEAP'),
    right('LOOP'),
    { title: 'NOTE' },
  ]
  const rows = all.map(({ instance: { instanceId, traffic }, process, notes }): readonly Line[] => [
    instanceId,
    formatRate(traffic),
    formatShare(traffic),
    formatMs(traffic.meanMs),
    formatMs(traffic.p99Ms),
    ...describeSystem(process),
    notes.map(({ text }) => styled('yellow', `← ${text}`)),
  ])
  return {
    data: {
      at: model.at,
      service: name,
      instances: all.map(({ instance: { instanceId, traffic }, process, notes }) => ({
        id: instanceId,
        traffic: toTrafficData(traffic),
        ...(process?.system && { system: toSystemData(process.system) }),
        notes: notes.map(({ text }) => text),
      })),
    },
    view: [...(rows.length > 0 ? [table(columns, rows)] : []), lines(describeFleet(model))],
  }
}

function describeSystem(process: FleetProcess | undefined): readonly Line[] {
  const system = process?.system
  if (!system) return ['', '', '']
  return [`${Math.round(system.cpu * 100)} %`, formatBytes(system.heapUsedBytes), formatMs(system.loopDelayMs)]
}

/** Load of a process, for JSON. */
export function toSystemData({
  cpu,
  residentBytes,
  heapUsedBytes,
  heapLimitBytes,
  loopDelayMs,
  uptimeMs,
}: NonNullable<FleetProcess['system']>): object {
  return { cpu, residentBytes, heapUsedBytes, heapLimitBytes, loopDelayMs, uptimeMs }
}
