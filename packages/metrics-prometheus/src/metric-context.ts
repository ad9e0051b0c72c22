import { subscribeTelemetry, type TelemetryChannel, type TelemetryEvents } from '@sd/core'
import type { OwnedMetricSet } from './metric-set.ts'
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
  listen<Name extends TelemetryChannel>(name: Name, measure: (event: TelemetryEvents[Name]) => void): void
  /** The value of the label `instance_id` if `instanceLabels` is set, otherwise empty. */
  instanceValue(instanceId: string): readonly string[]
}

/** Builds the context. @param onEnd receives functions to call on close */
export function createMetricContext(
  metrics: OwnedMetricSet,
  options: ResolvedMetricsOptions,
  onEnd: (end: () => void) => void,
): MetricContext {
  const { instanceLabels, onError } = options
  const series = createSeriesFactory(metrics, options)
  return {
    options,
    series,
    instanceName: instanceLabels ? ['instance_id'] : [],
    listen(name, measure) {
      const measureNow: typeof measure = (event) => {
        series.noteTime()
        measure(event)
      }
      onEnd(subscribeTelemetry(name, measureNow, onError))
    },
    instanceValue: (instanceId) => (instanceLabels ? [instanceId] : []),
  }
}
