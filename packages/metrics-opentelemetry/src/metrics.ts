import { recordTelemetry } from '@sd/metrics-kit'
import { MeterSink } from './meter-sink.ts'
import { type OpenTelemetryMetricsOptions, resolveOpenTelemetryMetricsOptions } from './options.ts'

/** Metrics of all components in this process. */
export interface OpenTelemetryMetrics extends Disposable {
  /** Stops to measure. The SDK keeps the last value of each series. Idempotent. */
  close(): void
}

/**
 * Starts to measure. Counts the events that components publish on telemetry channels, and reads their state whenever a reader of
 * the SDK collects.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createOpenTelemetryMetrics(options: OpenTelemetryMetricsOptions = {}): OpenTelemetryMetrics {
  const resolved = resolveOpenTelemetryMetricsOptions(options)
  const sink = new MeterSink(resolved)
  // An SDK never forgets a series, so nothing is gained by removing one here.
  const stop = recordTelemetry(sink, { ...resolved, idleMs: undefined })
  sink.observe()
  function close(): void {
    stop()
    sink.close()
  }
  return { close, [Symbol.dispose]: close }
}
