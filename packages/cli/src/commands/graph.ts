import { invalidError } from '@sd/core'
import type { FleetEdge } from '@sd/fleet'
import type { ReadCommand } from '../command.ts'
import { trafficOptions } from '../fleet/fleet-options.ts'
import { formatDot, formatMermaid } from '../fleet/graph-text.ts'
import { readingFleet } from '../fleet/read-fleet.ts'
import { describeFleet, formatMs, formatRate, formatShare, toTrafficData } from '../fleet/words.ts'
import { lines, source, table } from '../output/view.ts'

/** `sdctl graph [service]`: the calls between services. */
export const graph: ReadCommand = {
  arguments: [{ name: 'service', description: 'only what calls it, and what it calls', isOptional: true }],
  options: [
    ...trafficOptions,
    { flags: '--dot', description: 'prints a graph for Graphviz' },
    { flags: '--mermaid', description: 'prints a Mermaid flowchart' },
  ],
  ...readingFleet((model, context) => {
    const service = context.argument('service')
    const edges = model.edges.filter(({ from, to }) => service === '' || from === service || to === service)
    if (context.flag('dot') && context.flag('mermaid')) throw invalidError('--dot', true, '--dot or --mermaid')
    const data = {
      at: model.at,
      edges: edges.map(({ from, to, kind, traffic }) => ({ from, to, kind, traffic: toTrafficData(traffic) })),
    }
    if (context.flag('dot')) return { data, view: [source(formatDot(edges))] }
    if (context.flag('mermaid')) return { data, view: [source(formatMermaid(edges))] }
    const columns = [
      { title: 'FROM' },
      { title: 'TO' },
      { title: 'CALLS/S', align: 'right' as const },
      { title: 'FAILED', align: 'right' as const },
      { title: 'MEAN', align: 'right' as const },
      { title: 'P99', align: 'right' as const },
      { title: 'KNOWN BY' },
    ]
    const rows = edges.map(({ from, to, kind, traffic }) => [
      from,
      to,
      formatRate(traffic),
      formatShare(traffic),
      formatMs(traffic.meanMs),
      formatMs(traffic.p99Ms),
      kinds[kind],
    ])
    const nothing = 'No calls and no declared dependencies are known.'
    return { data, view: [rows.length > 0 ? table(columns, rows) : lines(nothing), lines(describeFleet(model))] }
  }, true),
}

const kinds: Readonly<Record<FleetEdge['kind'], string>> = {
  observed: 'calls',
  declared: 'declaration',
  both: 'calls, declaration',
}
