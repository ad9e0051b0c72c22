import type { FollowCommand } from '../command.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { isAbout } from '../fleet/is-about.ts'
import { describeSeverity } from '../fleet/words.ts'
import { lines, styled } from '../output/view.ts'
import { formatTime } from '../time.ts'

/** Most changes that are remembered as printed: those of a model are fewer. */
const maxSeen = 10_000

/** `sdctl logs follow <service>`: a line for each change of a service and of its processes. These are events, and not log files. */
export const logsFollow: FollowCommand = {
  arguments: [{ name: 'service', description: 'name of the service' }],
  options: fleetOptions,
  async *follow(context) {
    const fleet = await context.openFleet()
    const service = context.argument('service')
    const seen = new Set<string>()
    for await (const model of fleet.watch({ signal: context.signal })) {
      for (const change of [...model.changes].reverse()) {
        if (seen.has(change.id) || !isAbout(change.about, service, model)) continue
        seen.add(change.id)
        const { at, severity, text, by } = change
        const who = by === undefined ? '' : styled('dim', `  by ${by}`)
        yield {
          data: { change },
          view: [lines([formatTime(at, context.now()), '  ', describeSeverity(severity), `  ${text}`, who])],
        }
      }
      for (const id of seen) if (seen.size > maxSeen) seen.delete(id)
    }
  },
}
