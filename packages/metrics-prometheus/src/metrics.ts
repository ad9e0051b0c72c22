import { recordTelemetry } from '@sd/metrics-kit'
import { type Collector, createCollectorRunner } from './collector.ts'
import { guardExemplars } from './exemplars.ts'
import { createMetricSet, type MetricRegister, type MetricSet } from './metric-set.ts'
import { createMetricsHandler, type MetricsHandler, type MetricsResponder } from './metrics-handler.ts'
import { type MetricsOptions, resolveMetricsOptions } from './options.ts'
import { createPrometheusSink } from './prometheus-sink.ts'

/** Metrics of all components in this process and of collectors. Metrics that you add get the prefix and are removed by `close`. */
export interface Metrics extends MetricSet, Disposable {
  /** The prom-client register that holds the metrics. */
  readonly register: MetricRegister
  /** Responds to scrapes: in OpenMetrics if the scraper requests it, otherwise in the text format. */
  readonly handler: MetricsHandler
  /** The same for servers of fetch style: `(request: Request) => Promise<Response>`. */
  readonly respond: MetricsResponder
  /**
   * Runs a collector at once and then on its interval.
   *
   * @returns a function that stops the collector
   * @throws SdError `SD_INVALID` that names the field, `SD_CONFLICT` if a collector has this name already, `SD_CLOSED` after `close`
   */
  addCollector(collector: Collector): () => void
  /** Stops subscriptions and collectors, and removes the metrics from the register. Idempotent. */
  close(): void
}

/**
 * Starts to measure. Counts the events that components publish on telemetry channels, and reads their state at each scrape.
 *
 * @throws SdError `SD_INVALID` that names the option, `SD_CONFLICT` if the register already has one of the metrics
 */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const resolved = resolveMetricsOptions(options)
  const { register, prefix, onError } = resolved
  const metrics = createMetricSet(register, prefix, onError)
  const ends: (() => void)[] = []

  function close(): void {
    for (const end of ends.splice(0)) end()
    metrics.close()
  }
  try {
    const exemplar = resolved.exemplar && { exemplarOf: guardExemplars(resolved.exemplar, onError) }
    ends.push(recordTelemetry(createPrometheusSink(metrics), { ...resolved, ...exemplar }))
    const collectors = createCollectorRunner(metrics, onError)
    ends.push(collectors.close)
    return {
      register,
      counter: metrics.counter,
      gauge: metrics.gauge,
      histogram: metrics.histogram,
      ...createMetricsHandler(register, onError),
      addCollector: collectors.add,
      close,
      [Symbol.dispose]: close,
    }
  } catch (error) {
    close()
    throw error
  }
}
