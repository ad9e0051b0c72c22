import type { FleetProcess } from '@sd/fleet'
import type { ReadCommand } from '../command.ts'
import { formatAge } from '../duration.ts'
import { describeStateReport } from '../fleet/describe-state.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { findProcess, readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, describeSeverity, formatBytes, formatMs } from '../fleet/words.ts'
import { fields, type Line, lines, table } from '../output/view.ts'
import { describeState, toProcessData } from './processes.ts'

/** `sdctl process <id>`: everything that one process says of itself. */
export const process: ReadCommand = {
  arguments: [{ name: 'process', description: 'id or name of the process, or its instance' }],
  options: fleetOptions,
  ...readingFleet((model, context) => {
    const found = findProcess(model, context.argument('process'))
    const wrong = model.problems.filter(({ about }) => about.processId === found.processId)
    const { states, lifecycles, health, configs, locks } = found
    const rows = states.map((report) => {
      const { what, state, details } = describeStateReport(report)
      return [what, state, details]
    })
    return {
      data: { ...toProcessData(found), at: model.at, states, lifecycles, health, configs, locks, problems: wrong },
      view: [
        fields(...describeProcess(found, model.at)),
        ...(rows.length > 0 ? [lines(''), table([{ title: 'WHAT' }, { title: 'STATE' }, { title: 'DETAILS' }], rows)] : []),
        ...(wrong.length > 0
          ? [lines('', ...wrong.map(({ severity, text }): Line => [describeSeverity(severity), `  ${text}`]))]
          : []),
        lines(describeFleet(model)),
      ],
    }
  }),
}

function describeProcess(found: FleetProcess, now: number): readonly (readonly [label: string, value: Line])[] {
  const {
    name,
    processId,
    services,
    address,
    state,
    since,
    lastError,
    clockOffsetMs,
    host,
    pid,
    node,
    packages,
    controls,
    system,
  } = found
  const versions = Object.entries(packages).map(([one, all]) => `${one} ${all.join(' and ')}`)
  return [
    ['process', name],
    ['id', processId],
    ['instances', services.map(({ service, instanceId }) => `${service}/${instanceId}`).join(', ')],
    ['address', address],
    [
      'state',
      [
        describeState(found),
        state === 'answers' ? '' : ` for ${formatAge(now - since)}`,
        lastError ? `: ${lastError.message}` : '',
      ],
    ],
    ['host', [host ?? '', pid === undefined ? '' : `, pid ${pid}`]],
    [
      'clock',
      Math.abs(clockOffsetMs) < 1_000 ? '' : `${formatAge(Math.abs(clockOffsetMs))} ${clockOffsetMs > 0 ? 'behind' : 'ahead'}`,
    ],
    ['up', system ? formatAge(system.uptimeMs) : ''],
    ['cpu', system ? `${Math.round(system.cpu * 100)} %` : ''],
    ['heap', system ? `${formatBytes(system.heapUsedBytes)} of ${formatBytes(system.heapLimitBytes)}` : ''],
    ['loop delay', formatMs(system?.loopDelayMs)],
    ['databases', (system?.databases ?? []).map(({ database, isUp }) => `${database} ${isUp ? 'up' : 'down'}`).join(', ')],
    ['node', node ?? ''],
    ['packages', versions.join(', ')],
    ['may change', controls.join(', ')],
  ]
}
