import { subscribeTelemetry, type TelemetryChannel, type TelemetryEvents } from '@sd/core'
import type { MetricSet } from './metric-set.ts'
import type { ResolvedMetricsOptions } from './options.ts'
import { createSeriesFactory, type SeriesFactory } from './series.ts'

/** Shared context of the parts of `createMetrics`. */
export interface MetricContext {
  /** Resolved options. */
  readonly options: ResolvedMetricsOptions
  /** Creates metrics with a bounded number of series. */
  readonly series: SeriesFactory
  /** The label `instance_id` if `instanceLabels` is set, otherwise empty. */
  readonly instanceName: readonly string[]
  /** Subscribes to a channel until the metrics are closed. */
  listen<Name extends TelemetryChannel>(name: Name, listener: (event: TelemetryEvents[Name]) => void): void
  /** The value of the label `instance_id` if `instanceLabels` is set, otherwise empty. */
  instanceValue(instanceId: string): readonly string[]
}

/** Builds the context. @param onEnd receives functions to call on close */
export function createMetricContext(
  metrics: MetricSet,
  options: ResolvedMetricsOptions,
  onEnd: (end: () => void) => void,
): MetricContext {
  const { instanceLabels, onError } = options
  return {
    options,
    series: createSeriesFactory(metrics, options),
    instanceName: instanceLabels ? ['instance_id'] : [],
    listen: (name, listener) => onEnd(subscribeTelemetry(name, listener, onError)),
    instanceValue: (instanceId) => (instanceLabels ? [instanceId] : []),
  }
}
