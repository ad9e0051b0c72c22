export type { CollectOptions, Collector } from './collector.ts'
export { type ExemplarLabels, type ExemplarSource, readTraceParent } from './exemplars.ts'
export type { HistogramDefinition, MetricDefinition, MetricRegister, MetricSet, PulledDefinition } from './metric-set.ts'
export { createMetrics, type Metrics } from './metrics.ts'
export type { MetricsHandler, MetricsResponder } from './metrics-handler.ts'
export type { MetricsOptions } from './options.ts'
export {
  createDatabaseCollector,
  createServiceCollector,
  type DatabaseCollectorOptions,
  type PoolState,
  type ServiceCollectorOptions,
} from './ping-collectors.ts'
export { type MetricsServer, type ServeMetricsOptions, serveMetrics } from './serve-metrics.ts'
export { createSystemCollector, type SystemCollectorOptions } from './system-collector.ts'
