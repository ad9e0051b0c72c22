import type { WriteCommand } from '../command.ts'
import { fields, lines, styled } from '../output/view.ts'
import { toInstanceData } from '../services/instance-data.ts'
import { describeInstance, findInstance } from './instance.ts'

/** `sdctl deregister <service> <id>`: removes an instance whose process ended without doing it. */
export const deregister: WriteCommand = {
  writes: true,
  arguments: [
    { name: 'service', description: 'name of the service' },
    { name: 'id', description: 'id of the instance, as in sdctl instances' },
  ],
  async plan(context) {
    const found = toInstanceData(await findInstance(await context.openSource(), context))
    const { label } = await context.target()
    return {
      view: [
        lines(styled('bold', `Removes this instance from ${label}:`)),
        fields(...describeInstance(found, context.now())),
        lines(styled('yellow', 'A process that still runs registers it again.')),
      ],
      async apply({ openRegistry, reason, signal }) {
        const registry = await openRegistry()
        await registry.deregister(found.service, found.id, { signal })
        return {
          data: { registry: label, service: found.service, id: found.id, reason },
          view: [lines(`${found.id} of ${found.service} was removed.`)],
        }
      },
    }
  },
}
