import type { FleetProcess } from '@sd/fleet'
import type { ReadCommand } from '../command.ts'
import { formatAge } from '../duration.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, formatBytes, formatMs } from '../fleet/words.ts'
import { type Column, type Line, lines, type Span, styled, table } from '../output/view.ts'

/** `sdctl processes`: every process with an admin endpoint. */
export const processes: ReadCommand = {
  options: fleetOptions,
  ...readingFleet((model) => {
    const right = (title: string): Column => ({ title, align: 'right' })
    const columns = [
      { title: 'PROCESS' },
      { title: 'STATE' },
      { title: 'ADDRESS' },
      right('UP'),
      right('CPU'),
      right('HEAP'),
      { ...right('LOOP'), isOptional: true },
      { title: 'CORE', isOptional: true },
      { title: 'MAY CHANGE', isOptional: true },
      { title: 'WHY' },
    ]
    const rows = model.processes.map((process): readonly Line[] => [
      process.name,
      describeState(process),
      process.address.replace(/^http:\/\//, ''),
      process.system ? formatAge(process.system.uptimeMs) : '',
      process.system ? `${Math.round(process.system.cpu * 100)} %` : '',
      process.system ? formatBytes(process.system.heapUsedBytes) : '',
      formatMs(process.system?.loopDelayMs),
      (process.packages['@sd/core'] ?? []).join(', '),
      process.controls.join(', '),
      process.state === 'answers' ? '' : (process.lastError?.message ?? ''),
    ])
    return {
      data: { at: model.at, processes: model.processes.map(toProcessData) },
      view: [...(rows.length > 0 ? [table(columns, rows)] : []), lines(describeFleet(model))],
    }
  }),
}

/** Whether a process answers, with its colour. */
export function describeState({ state }: FleetProcess): Span {
  return state === 'answers' ? styled('green', state) : styled('red', state)
}

/** A process in a list, for JSON. */
export function toProcessData(process: FleetProcess): object {
  const { processId, name, services, address, state, since, answeredAt, lastError, clockOffsetMs, host, pid, startedAt, node } =
    process
  const { packages, controls, system } = process
  const optional = { answeredAt, lastError, host, pid, startedAt, node, system }
  return {
    processId,
    name,
    services,
    address,
    state,
    since,
    clockOffsetMs,
    packages,
    controls,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  }
}
