export { createOpenTelemetryMetrics, type OpenTelemetryMetrics } from './metrics.ts'
export type { OpenTelemetryMetricsOptions } from './options.ts'
