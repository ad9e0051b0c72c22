import type { ReadCommand } from '../command.ts'
import { describeStateReport } from '../fleet/describe-state.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { findProcesses, readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet } from '../fleet/words.ts'
import { lines, table } from '../output/view.ts'

/** `sdctl states [process]`: backends, registrations, endpoints, breakers, limits and configurations of every process. */
export const states: ReadCommand = {
  arguments: [{ name: 'process', description: 'a process, or a service for all of its processes', isOptional: true }],
  options: fleetOptions,
  ...readingFleet((model, context) => {
    const text = context.argument('process')
    const found = text === '' ? model.processes : findProcesses(model, text)
    const columns = [{ title: 'PROCESS' }, { title: 'WHAT' }, { title: 'STATE' }, { title: 'DETAILS' }]
    const rows = found.flatMap(({ name, states: reports }) =>
      reports.map((report) => {
        const { what, state, details } = describeStateReport(report)
        return [name, what, state, details]
      }),
    )
    return {
      data: {
        at: model.at,
        processes: found.map(({ processId, name, clockOffsetMs, states: reports }) => ({
          processId,
          name,
          clockOffsetMs,
          states: reports,
        })),
      },
      view: [...(rows.length > 0 ? [table(columns, rows)] : []), lines(describeFleet(model))],
    }
  }),
}
