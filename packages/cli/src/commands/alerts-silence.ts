import { invalidError, SdError } from '@sd/core'
import type { CommandContext, WriteCommand } from '../command.ts'
import { readDuration } from '../duration.ts'
import { changeProcesses, checkControl, describeChanges } from '../fleet/change-processes.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { findProcesses, readModel } from '../fleet/read-fleet.ts'
import { lines, styled } from '../output/view.ts'
import { describeLabels } from './alerts-ls.ts'

/** `sdctl alerts silence <rule> --for <time>`: no notifications about a rule for a while. */
export const alertsSilence: WriteCommand = {
  writes: true,
  arguments: [{ name: 'rule', description: 'name of the rule, as in sdctl alerts rules' }],
  options: [
    ...fleetOptions,
    { flags: '--for <time>', description: 'how long, such as 2h', isRequired: true },
    { flags: '--label <name=value>', description: 'only alerts with this label', isRepeatable: true },
    { flags: '--process <process>', description: 'only in this process, or all processes of a service' },
  ],
  async plan(context) {
    const rule = context.argument('rule')
    const durationMs = readDuration('--for', context.option('for') ?? '')
    const labels = readLabels(context)
    const model = await readModel(await context.openFleet())
    const chosen = context.option('process')
    const all = chosen === undefined ? model.processes : findProcesses(model, chosen)
    const found = all.filter(({ alerts }) => alerts.some(({ rules }) => rules.some(({ name }) => name === rule)))
    if (found.length === 0) throw new SdError('SD_NOT_FOUND', `No process has a rule ${rule}; sdctl alerts rules lists them`)
    checkControl(found, 'alerts')
    const names = found.map(({ name }) => name).join(', ')
    const only = describeLabels(labels)
    return {
      view: [
        lines(
          styled('bold', `No one will be notified about ${rule}${only && ` with ${only}`} for ${context.option('for')}:`),
          names,
        ),
      ],
      async apply(writing) {
        const body = { rule, ...(labels && { labels }), durationMs }
        const processes = await changeProcesses(writing, found, '/alerts/silences', body)
        return {
          data: { ...body, reason: writing.reason, processes },
          hasProblems: processes.some(({ isChanged }) => !isChanged),
          view: describeChanges(processes, `${rule} is silenced`),
        }
      },
    }
  },
}

function readLabels({ list }: CommandContext): Readonly<Record<string, string>> | undefined {
  const pairs = list('label').map((pair) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
    if (name === undefined || value === undefined) throw invalidError('--label', pair, 'a pair such as service=orders')
    return [name, value] as const
  })
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined
}
