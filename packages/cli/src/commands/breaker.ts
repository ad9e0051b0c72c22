import type { StateReport } from '@sd/core'
import type { FleetProcess } from '@sd/fleet'
import type { WriteCommand } from '../command.ts'
import { changeProcesses, checkControl, describeChanges } from '../fleet/change-processes.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { findProcesses, readModel } from '../fleet/read-fleet.ts'
import { lines, styled, table } from '../output/view.ts'

type BreakerReport = Extract<StateReport, { readonly kind: 'breaker' }>

const effects = {
  open: 'refuses calls, and closes again as it does after failures',
  closed: 'lets calls pass, and forgets the failures before',
  isolated: 'refuses all calls, until someone closes it',
}

/** `sdctl breaker open|close|isolate <service> [id] --process <process>`. */
function breakerCommand(state: keyof typeof effects): WriteCommand {
  return {
    writes: true,
    arguments: [
      { name: 'service', description: 'the called service' },
      { name: 'id', description: 'the instance, for a breaker of a single one', isOptional: true },
    ],
    options: [
      ...fleetOptions,
      {
        flags: '--process <process>',
        description: 'the calling process, or a service for all of its processes',
        isRequired: true,
      },
    ],
    async plan(context) {
      const [service, id] = [context.argument('service'), context.argument('id')]
      const model = await readModel(await context.openFleet())
      const found = findProcesses(model, context.option('process') ?? '')
      checkControl(found, 'breakers')
      const target = id === '' ? service : `${service}/${id}`
      const columns = [{ title: 'PROCESS' }, { title: 'NOW' }, { title: 'AFTER' }]
      return {
        view: [
          lines(styled('bold', `The breaker of ${target} ${effects[state]}:`)),
          table(
            columns,
            found.map((process) => [process.name, stateOf(process, service, id), state]),
          ),
        ],
        async apply(writing) {
          const path = `/breakers/${[service, ...(id === '' ? [] : [id])].map(encodeURIComponent).join('/')}`
          const processes = await changeProcesses(writing, found, path, { state })
          return {
            data: { service, ...(id !== '' && { id }), state, reason: writing.reason, processes },
            hasProblems: processes.some(({ isChanged }) => !isChanged),
            view: describeChanges(processes, `the breaker of ${target} is ${state}`),
          }
        },
      }
    },
  }
}

function stateOf({ states }: FleetProcess, service: string, id: string): string {
  const isIt = (one: BreakerReport): boolean => one.service === service && (one.instanceId ?? '') === id
  const found = states.find((report): report is BreakerReport => report.kind === 'breaker' && isIt(report))
  return found?.state ?? 'no breaker yet'
}

/** `sdctl breaker open`. */
export const breakerOpen: WriteCommand = breakerCommand('open')
/** `sdctl breaker close`. */
export const breakerClose: WriteCommand = breakerCommand('closed')
/** `sdctl breaker isolate`. */
export const breakerIsolate: WriteCommand = breakerCommand('isolated')
