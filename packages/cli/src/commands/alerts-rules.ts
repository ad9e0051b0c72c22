import type { ReadCommand } from '../command.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, describeSeverity, formatMs } from '../fleet/words.ts'
import { type Line, lines, styled, table } from '../output/view.ts'

/** `sdctl alerts rules`: the rules of every process. */
export const alertsRules: ReadCommand = {
  options: fleetOptions,
  ...readingFleet((model) => {
    const all = model.processes.flatMap(({ processId, name, alerts }) =>
      alerts.map(({ rules }) => ({ processId, process: name, rules })),
    )
    const columns = [
      { title: 'RULE' },
      { title: 'SEVERITY' },
      { title: 'CONDITION' },
      { title: 'FOR', align: 'right' as const },
      { title: 'CHANNELS' },
      { title: 'ENABLED' },
      { title: 'PROCESS' },
    ]
    const rows = all.flatMap(({ process, rules }) =>
      rules.map(({ name, severity, metric, condition, threshold, durationMs, channels, enabled }): readonly Line[] => [
        name,
        describeSeverity(severity),
        [metric, condition, threshold].filter((part) => part !== undefined).join(' '),
        formatMs(durationMs),
        (channels ?? []).join(', '),
        enabled ? 'yes' : styled('yellow', 'no'),
        process,
      ]),
    )
    return {
      data: { at: model.at, processes: all },
      view: [rows.length > 0 ? table(columns, rows) : lines('No process has rules.'), lines(describeFleet(model))],
    }
  }),
}
