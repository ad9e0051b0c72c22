import type { MetricDefinition, MetricKind, MetricRows } from './metric-definition.ts'
import { callMetrics } from './table/call-metrics.ts'
import { componentMetrics } from './table/component-metrics.ts'
import { gatewayMetrics } from './table/gateway-metrics.ts'
import { stateMetrics } from './table/state-metrics.ts'

const rows: MetricRows = {
  'metrics.overflow': {
    kind: 'counter',
    unit: '{observation}',
    labels: ['metric'],
    help: 'Observations counted under "other" because their metric reached its limit of series.',
  },
  ...callMetrics,
  ...componentMetrics,
  ...gatewayMetrics,
  ...stateMetrics,
}

/** Every metric of telemetry events and state reports, in the order in which they are documented. */
export const metricTable: readonly MetricDefinition[] = Object.entries(rows).map(([name, row]) => ({ name, ...row }))

/** The definition of a metric. @throws Error if the table has none of this kind, which is a mistake of the recorder */
export function definitionOf(kind: MetricKind, name: string): MetricDefinition {
  const row = rows[name]
  if (row?.kind !== kind) throw new Error(`The table has no ${kind} ${name}`)
  return { name, ...row }
}
