import { subscribeTelemetry, type TelemetryChannel, type TelemetryEvents } from '@sd/core'
import type { MetricSet } from './metric-set.ts'
import type { ResolvedMetricsOptions } from './options.ts'
import { createSeriesFactory, type SeriesFactory } from './series.ts'

/** What the parts of `createMetrics` work with. */
export interface MetricContext {
  /** The options. */
  readonly options: ResolvedMetricsOptions
  /** Makes metrics with bounded series. */
  readonly series: SeriesFactory
  /** The label `instance_id` where instances are told apart, else none. */
  readonly instanceName: readonly string[]
  /** Subscribes to a channel until the end. */
  listen<Name extends TelemetryChannel>(name: Name, listener: (event: TelemetryEvents[Name]) => void): void
  /** The value of that label, if there is one. */
  instanceValue(instanceId: string): readonly string[]
}

/** Builds the context. @param onEnd takes what has to be called in the end */
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
