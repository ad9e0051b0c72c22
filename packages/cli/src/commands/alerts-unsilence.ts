import { SdError } from '@sd/core'
import type { WriteCommand } from '../command.ts'
import { changeProcesses, checkControl, describeChanges } from '../fleet/change-processes.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { readModel } from '../fleet/read-fleet.ts'
import { lines, styled } from '../output/view.ts'
import { describeLabels } from './alerts-ls.ts'

/** `sdctl alerts unsilence <id>`: ends a silence. */
export const alertsUnsilence: WriteCommand = {
  writes: true,
  arguments: [{ name: 'id', description: 'id of the silence, as in sdctl alerts' }],
  options: fleetOptions,
  async plan(context) {
    const id = context.argument('id')
    const model = await readModel(await context.openFleet())
    const found = model.processes.filter(({ alerts }) => alerts.some(({ silences }) => silences.some((one) => one.id === id)))
    const silence = found.flatMap(({ alerts }) => alerts.flatMap(({ silences }) => silences)).find((one) => one.id === id)
    if (!silence) throw new SdError('SD_NOT_FOUND', `No process has a silence ${id}; sdctl alerts lists them`)
    checkControl(found, 'alerts')
    const what = [silence.rule, describeLabels(silence.labels)].filter(Boolean).join(' ')
    return {
      view: [
        lines(styled('bold', `Ends the silence of ${what} in ${found.map(({ name }) => name).join(', ')}:`), silence.comment),
      ],
      async apply(writing) {
        const path = `/alerts/silences/${encodeURIComponent(id)}/expire`
        const processes = await changeProcesses(writing, found, path, {})
        return {
          data: { id, reason: writing.reason, processes },
          hasProblems: processes.some(({ isChanged }) => !isChanged),
          view: describeChanges(processes, `the silence of ${what} has ended`),
        }
      },
    }
  },
}
