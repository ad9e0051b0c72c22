import type { ReadCommand } from '../command.ts'
import { formatAge } from '../duration.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet } from '../fleet/words.ts'
import { type Line, lines, sentences, styled, table } from '../output/view.ts'

/** `sdctl routes [service]`: routes of the gateways. */
export const routes: ReadCommand = {
  arguments: [{ name: 'service', description: 'only routes to this service', isOptional: true }],
  options: fleetOptions,
  ...readingFleet((model, context) => {
    const service = context.argument('service')
    const found = model.processes.flatMap(({ processId, name, gateways, clockOffsetMs }) =>
      gateways.map((gateway) => ({
        processId,
        process: name,
        ...gateway,
        clockOffsetMs,
        routes: gateway.routes.filter(({ services }) => service === '' || services.includes(service)),
      })),
    )
    const columns = [
      { title: 'GATEWAY' },
      { title: 'ROUTE' },
      { title: 'MATCHES' },
      { title: 'DOES' },
      { title: 'FILTERS', isOptional: true },
    ]
    const rows = found.flatMap((gateway) =>
      gateway.routes.map(({ route, match, action, filters }) => [gateway.process, route, match, action, filters.join(', ')]),
    )
    const notes = found.flatMap((gateway): readonly Line[] => {
      const where = gateway.listeners.map(({ host, port, isSecure }) => `${host}:${port}${isSecure ? ' (TLS)' : ''}`).join(', ')
      const age = formatAge(model.at - gateway.updatedAt - gateway.clockOffsetMs)
      const line = styled('dim', `${gateway.process}: version ${gateway.version} for ${age}, listens on ${where}`)
      const more = gateway.omitted > 0 ? [styled('dim', `${gateway.omitted} more routes are not shown`)] : []
      if (!gateway.refused) return [line, ...more]
      return [line, ...more, styled('red', `  it refused a newer document: ${gateway.refused.error.message}`)]
    })
    return {
      data: { at: model.at, gateways: found },
      hasProblems: found.some(({ refused }) => refused !== undefined),
      view: [
        ...(rows.length > 0 ? [table(columns, rows)] : [lines('No gateway answered with a route.')]),
        sentences(...notes),
        lines(describeFleet(model)),
      ],
    }
  }),
}
