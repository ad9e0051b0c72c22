import { type MetricSink, prometheusNameOf, type SeriesValue } from '@sd/metrics-kit'
import type { Counter, Gauge, MetricObjectWithValues, MetricValue } from 'prom-client'
import type { OwnedMetricSet, PulledDefinition } from './metric-set.ts'
import { type HistogramValues, SeriesHistogram } from './series-histogram.ts'

/** Puts the metrics of the table into a register of prom-client, which reads the values that the recorder keeps. */
export function createPrometheusSink(metrics: OwnedMetricSet): MetricSink {
  return {
    counter(definition, read) {
      const { help, labels: labelNames } = definition
      readFrom(metrics.counter({ name: prometheusNameOf(definition), help, labelNames }), read)
    },
    gauge(definition, read) {
      const { help, labels: labelNames } = definition
      readFrom(metrics.gauge({ name: prometheusNameOf(definition), help, labelNames }), read)
    },
    histogram(definition, read) {
      const { help, labels: labelNames, buckets } = definition
      const configuration: PulledDefinition & { readonly buckets: readonly number[] } = {
        name: prometheusNameOf(definition),
        help,
        labelNames,
        buckets: [...buckets],
      }
      const histogram = metrics.obtain(SeriesHistogram, configuration)
      // All observers are those that it creates.
      histogram.source = read as () => Iterable<HistogramValues>
      return (labels) => histogram.createValues(labels)
    },
  }
}

/** Its type has `collect`, which it does not have. */
type Written = MetricObjectWithValues<MetricValue<string>>

/** Lets a register read values that are kept elsewhere. It reads derived objects, whose name depends on the format. */
function readFrom(metric: Counter | Gauge, read: () => Iterable<SeriesValue>): void {
  async function get(this: Written): Promise<Written> {
    const { name, help, type, aggregator } = this
    const values = Array.from(read(), ({ labels, value }) => ({ labels, value }))
    return { name, help, type, aggregator, values } as Written
  }
  Object.defineProperty(metric, 'get', { value: get })
}
