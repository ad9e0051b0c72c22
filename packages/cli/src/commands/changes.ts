import type { FleetChange, FleetModel } from '@sd/fleet'
import type { CommandContext, ReadCommand } from '../command.ts'
import { trafficOptions } from '../fleet/fleet-options.ts'
import { isAbout } from '../fleet/is-about.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, describeSeverity } from '../fleet/words.ts'
import { lines, table } from '../output/view.ts'
import { formatTime } from '../time.ts'

/** `sdctl changes [service]`: what changed, latest first. */
export const changes: ReadCommand = {
  arguments: [{ name: 'service', description: 'only changes about this service', isOptional: true }],
  options: trafficOptions,
  ...readingFleet((model, context) => {
    const found = select(model, context)
    const columns = [{ title: 'TIME' }, { title: 'SEVERITY' }, { title: 'KIND' }, { title: 'BY' }, { title: 'WHAT' }]
    const rows = found.map(({ at, severity, kind, by = '', text }) => [
      formatTime(at, context.now()),
      describeSeverity(severity),
      kind,
      by,
      text,
    ])
    const nothing = 'Nothing has changed since this command began; --over 1m and --watch look longer.'
    return {
      data: { at: model.at, changes: found },
      view: [...(rows.length > 0 ? [table(columns, rows)] : [lines(nothing)]), lines(describeFleet(model))],
    }
  }, true),
}

function select(model: FleetModel, context: CommandContext): readonly FleetChange[] {
  const service = context.argument('service')
  return service === '' ? model.changes : model.changes.filter(({ about }) => isAbout(about, service, model))
}
