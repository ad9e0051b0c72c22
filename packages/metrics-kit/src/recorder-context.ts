import { subscribeTelemetry, type TelemetryChannel, type TelemetryEvents } from '@sd/core'
import type { MetricSink } from './metric-sink.ts'
import type { RecorderOptions } from './options.ts'
import { createSeriesFactory, type SeriesFactory } from './series.ts'

/** Shared context of the parts of the recorder. */
export interface RecorderContext extends Pick<RecorderOptions, 'exemplarOf' | 'onError'> {
  /** Creates metrics with a bounded number of series. */
  readonly series: SeriesFactory
  /** Subscribes to a channel until the recorder is closed. */
  listen<Name extends TelemetryChannel>(name: Name, measure: (event: TelemetryEvents[Name]) => void): void
  /** The value of the label `instance_id` if `instanceLabels` is set, otherwise empty. */
  instanceValue(instanceId: string): readonly string[]
}

/** Builds the context. @param onEnd receives functions to call on close */
export function createRecorderContext(
  sink: MetricSink,
  options: RecorderOptions,
  onEnd: (end: () => void) => void,
): RecorderContext {
  const { instanceLabels, onError, exemplarOf } = options
  const series = createSeriesFactory(sink, options)
  return {
    onError,
    ...(exemplarOf && { exemplarOf }),
    series,
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
