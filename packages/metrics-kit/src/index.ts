export type { Labels } from './label-sets.ts'
export { type MetricDefinition, type MetricKind, type MetricRow, prometheusNameOf } from './metric-definition.ts'
export type { HistogramDefinition, MetricSink, Observer, SeriesValue } from './metric-sink.ts'
export { metricTable } from './metric-table.ts'
export {
  type MeasureOptions,
  type RecorderOptions,
  type ResolvedMeasureOptions,
  resolveIdleMs,
  resolveMeasureOptions,
} from './options.ts'
export { recordTelemetry } from './recorder.ts'
