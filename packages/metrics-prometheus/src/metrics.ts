import { measureCalls } from './call-metrics.ts'
import { type Collector, createCollectorRunner } from './collector.ts'
import { measureComponents } from './component-metrics.ts'
import { createMetricContext } from './metric-context.ts'
import { createMetricSet, type MetricRegister, type MetricSet } from './metric-set.ts'
import { createMetricsHandler, type MetricsHandler } from './metrics-handler.ts'
import { type MetricsOptions, resolveMetricsOptions } from './options.ts'
import { measureStates } from './state-metrics.ts'

/** Metrics of everything in this process, and of what collectors add. Metrics of your own get its prefix and go with it. */
export interface Metrics extends MetricSet, Disposable {
  /** prom-client's register with the metrics. */
  readonly register: MetricRegister
  /** Answers scrapes: OpenMetrics to who asks for it, the text format to others. */
  readonly handler: MetricsHandler
  /**
   * Runs a collector at once and on its interval.
   *
   * @returns a function that ends it
   * @throws SdError `SD_INVALID` that names the field, `SD_CONFLICT` if there is one of that name, `SD_CLOSED`
   */
  addCollector(collector: Collector): () => void
  /** Ends subscriptions and collectors, and takes the metrics out of the register. Idempotent. */
  close(): void
}

/**
 * Begins to measure: all that components publish on telemetry channels is counted, and what they report is asked for at each scrape.
 *
 * @throws SdError `SD_INVALID` that names the option, `SD_CONFLICT` if the register has one of the metrics already
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
    const context = createMetricContext(metrics, resolved, (end) => ends.push(end))
    measureCalls(context)
    measureComponents(context)
    measureStates(context)
    const collectors = createCollectorRunner(metrics, onError)
    ends.push(collectors.close)
    return {
      register,
      counter: metrics.counter,
      gauge: metrics.gauge,
      histogram: metrics.histogram,
      handler: createMetricsHandler(register, onError),
      addCollector: collectors.add,
      close,
      [Symbol.dispose]: close,
    }
  } catch (error) {
    close()
    throw error
  }
}
