import type { ReadCommand } from '../command.ts'
import { formatAge } from '../duration.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, describeSeverity } from '../fleet/words.ts'
import { type Line, lines, sentences, styled, table } from '../output/view.ts'

/** `sdctl alerts [ls]`: alerts, the channels that notify people, and silences. */
export const alertsLs: ReadCommand = {
  options: fleetOptions,
  ...readingFleet((model) => {
    const all = model.processes.flatMap(({ processId, name, alerts, clockOffsetMs }) =>
      alerts.map((answer) => ({ processId, process: name, clockOffsetMs, ...answer })),
    )
    const columns = [
      { title: 'SEVERITY' },
      { title: 'RULE' },
      { title: 'LABELS' },
      { title: 'STATE' },
      { title: 'FOR', align: 'right' as const },
      { title: 'VALUE' },
      { title: 'PROCESS' },
    ]
    const rows = all.flatMap(({ process, clockOffsetMs, alerts }) =>
      alerts.map(({ severity, rule, labels, state, isSilenced, activeAt, value, condition, threshold }): readonly Line[] => [
        describeSeverity(severity),
        rule,
        describeLabels(labels),
        isSilenced ? `${state}, silenced` : state,
        formatAge(model.at - activeAt - clockOffsetMs),
        value === undefined ? '' : `${value} ${condition}${threshold === undefined ? '' : ` ${threshold}`}`,
        process,
      ]),
    )
    const notes = all.flatMap(({ process, clockOffsetMs, channels, silences }): readonly Line[] => [
      ...channels
        .filter(({ failed, waiting }) => failed > 0 && waiting > 0)
        .map(({ name, failed, waiting }) =>
          styled('red', `${process}: the channel ${name} failed ${failed} times, ${waiting} waiting`),
        ),
      ...silences.map(({ id, rule, labels, endsAt, comment }) => {
        const what = [rule, describeLabels(labels)].filter(Boolean).join(' ')
        return `${process}: ${what} is silenced for ${formatAge(endsAt + clockOffsetMs - model.at)} by ${id}: ${comment}`
      }),
    ])
    const firing = all.some(({ alerts }) => alerts.some(({ state, isSilenced }) => state === 'firing' && !isSilenced))
    return {
      data: {
        at: model.at,
        processes: all.map(({ processId, process, clockOffsetMs, alerts, channels, silences }) => ({
          processId,
          process,
          clockOffsetMs,
          alerts,
          channels,
          silences,
        })),
      },
      hasProblems: firing,
      view: [rows.length > 0 ? table(columns, rows) : lines('No alert.'), sentences(...notes), lines(describeFleet(model))],
    }
  }),
}

/** Labels as text. */
export function describeLabels(labels: Readonly<Record<string, string>> = {}): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
}
