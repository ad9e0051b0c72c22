import { SdError, toWireError } from '@sd/core'
import type { ReadCommand } from '../command.ts'
import { formatValue } from '../config/compare-texts.ts'
import { type ConfigExplained, type ConfigOrigin, readConfigAnswers } from '../config/read-answers.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { findProcesses, readModel } from '../fleet/read-fleet.ts'
import { type Line, lines, styled, table } from '../output/view.ts'

/** `sdctl config explain <path> --from <process>`: the value in processes, and the source that it comes from. */
export const configExplain: ReadCommand = {
  arguments: [{ name: 'path', description: 'path of the value, such as db.pool.size' }],
  options: [
    ...fleetOptions,
    { flags: '--from <process>', description: 'a process, or a service for all of its processes', isRequired: true },
  ],
  async run(context) {
    const fleet = await context.openFleet()
    const path = context.argument('path')
    const found = findProcesses(await readModel(fleet), context.option('from') ?? '')
    const answers = await Promise.all(
      found.map(async ({ processId, name }) => {
        try {
          return { processId, process: name, configs: readConfigAnswers(await fleet.ask(processId, '/config', { path })) }
        } catch (error) {
          if (!(error instanceof SdError)) throw error
          return { processId, process: name, configs: [], error: toWireError(error) }
        }
      }),
    )
    const rows = answers.flatMap(({ process, configs }) => configs.flatMap((config) => describe(process, config)))
    const columns = [{ title: 'PROCESS' }, { title: 'CONFIG' }, { title: 'VALUE' }, { title: 'SOURCE' }, { title: 'PLACE' }]
    const failed = answers.flatMap(({ process, error }) => (error ? [`${process} did not answer: ${error.message}`] : []))
    const silent = answers.filter(({ configs, error }) => configs.length === 0 && !error)
    const missing = silent.map(({ process }) => `${process} has no value at ${path}`)
    return {
      data: { path, processes: answers },
      hasProblems: rows.length === 0,
      view: [
        ...(rows.length > 0 ? [table(columns, rows)] : []),
        lines(...failed.map((line) => styled('yellow', line)), ...missing),
      ],
    }
  },
}

function describe(process: string, { config, explanation }: ConfigExplained): readonly (readonly Line[])[] {
  const { value, overrode } = explanation
  const wins: readonly Line[] = [process, config, styled('green', formatValue(value)), explanation.source, placeOf(explanation)]
  return [wins, ...overrode.map((origin) => ['', '', styled('dim', formatValue(origin.written)), origin.source, placeOf(origin)])]
}

function placeOf({ key = '', line }: ConfigOrigin): string {
  return line === undefined ? key : `${key} line ${line}`
}
