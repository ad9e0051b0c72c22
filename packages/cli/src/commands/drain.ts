import { SdError } from '@sd/core'
import type { WriteCommand } from '../command.ts'
import { changeProcesses, checkControl, describeChanges } from '../fleet/change-processes.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { readModel } from '../fleet/read-fleet.ts'
import { fields, lines, styled } from '../output/view.ts'

/** `sdctl drain <service> <id>`: callers leave an instance; its process goes on. */
export const drain: WriteCommand = {
  writes: true,
  arguments: [
    { name: 'service', description: 'name of the service' },
    { name: 'id', description: 'id of the instance, as in sdctl instances' },
  ],
  options: [...fleetOptions, { flags: '--undo', description: 'gives it traffic again' }],
  async plan(context) {
    const [service, instanceId] = [context.argument('service'), context.argument('id')]
    const draining = !context.flag('undo')
    const model = await readModel(await context.openFleet())
    const all = model.services.find((one) => one.service === service)?.instances ?? []
    const instance = all.find((one) => one.instanceId === instanceId)
    const processes = model.processes.filter(({ services }) =>
      services.some((own) => own.service === service && own.instanceId === instanceId),
    )
    if (!instance && processes.length === 0)
      throw new SdError('SD_NOT_FOUND', `There is no instance ${instanceId} of ${service}; sdctl instances ${service} lists them`)
    if (processes.length === 0)
      throw new SdError(
        'SD_UNSUPPORTED',
        `The process of ${instanceId} has no admin endpoint that answers; sdctl deregister removes the instance of a process that has ended`,
      )
    checkControl(processes, 'draining')
    const others = all.filter((one) => one.instanceId !== instanceId && one.health === 'healthy').length
    return {
      view: [
        lines(
          styled(
            'bold',
            draining ? `Callers will leave this instance; its process goes on:` : 'This instance will get traffic again:',
          ),
        ),
        fields(
          ['instance', `${service}/${instanceId}`],
          ['process', processes.map(({ name }) => name).join(', ')],
          ['health', instance?.health ?? ''],
          ['others', `${others} healthy`],
        ),
        ...(draining && others === 0 ? [lines(styled('red', `No other instance of ${service} is healthy.`))] : []),
      ],
      async apply(writing) {
        const results = await changeProcesses(writing, processes, '/draining', { draining, service, instanceId })
        return {
          data: { service, id: instanceId, draining, reason: writing.reason, processes: results },
          hasProblems: results.some(({ isChanged }) => !isChanged),
          view: describeChanges(results, `${instanceId} ${draining ? 'is draining' : 'gets traffic again'}`),
        }
      },
    }
  },
}
