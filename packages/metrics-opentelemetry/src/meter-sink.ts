import type { BatchObservableResult, Histogram, Meter, Observable } from '@opentelemetry/api'
import {
  type HistogramDefinition,
  type Labels,
  type MetricDefinition,
  type MetricSink,
  type Observer,
  prometheusNameOf,
  type SeriesValue,
} from '@sd/metrics-kit'
import type { ResolvedOpenTelemetryMetricsOptions } from './options.ts'

/** An instrument that is read, with the values to read. */
interface ReadInstrument {
  readonly instrument: Observable
  readonly read: () => Iterable<SeriesValue>
  /** Series at the last reading; only for gauges, whose series end. */
  last: ReadonlyMap<string, Labels> | undefined
}

/**
 * Puts the metrics of the table into a meter. Counters and gauges are observable: their values are kept by the recorder, so an event
 * costs no look-up of attributes. All are read in one callback, so that one collection reads the states of components once.
 */
export class MeterSink implements MetricSink {
  readonly #options: ResolvedOpenTelemetryMetricsOptions
  readonly #instruments: ReadInstrument[] = []
  #observed: Observable[] = []

  constructor(options: ResolvedOpenTelemetryMetricsOptions) {
    this.#options = options
  }

  counter(definition: MetricDefinition, read: () => Iterable<SeriesValue>): void {
    const instrument = this.#meter.createObservableCounter(this.#nameOf(definition), describe(definition))
    this.#instruments.push({ instrument, read, last: undefined })
  }

  gauge(definition: MetricDefinition, read: () => Iterable<SeriesValue>): void {
    const name = this.#nameOf(definition)
    // Values that can be added up over processes are those of an up-down counter.
    const instrument =
      definition.merge === 'max'
        ? this.#meter.createObservableGauge(name, describe(definition))
        : this.#meter.createObservableUpDownCounter(name, describe(definition))
    this.#instruments.push({ instrument, read, last: new Map() })
  }

  histogram(definition: HistogramDefinition): (labels: Labels) => Observer {
    const advice = { explicitBucketBoundaries: [...definition.buckets] }
    const histogram = this.#meter.createHistogram(this.#nameOf(definition), { ...describe(definition), advice })
    return (labels) => new HistogramObserver(histogram, labels)
  }

  /** Begins to be read. */
  observe(): void {
    this.#observed = this.#instruments.map(({ instrument }) => instrument)
    this.#meter.addBatchObservableCallback(this.#report, this.#observed)
  }

  /** Ends being read. Idempotent. */
  close(): void {
    this.#meter.removeBatchObservableCallback(this.#report, this.#observed)
  }

  get #meter(): Meter {
    return this.#options.meter
  }

  /** An exporter adds `_total` itself, and may warn about a second one. */
  #nameOf(definition: MetricDefinition): string {
    const { prefix, names } = this.#options
    const name = names === 'opentelemetry' ? definition.name : prometheusNameOf({ ...definition, kind: 'gauge' })
    return names === 'opentelemetry' ? `${prefix}${name}` : `${prefix.replaceAll('.', '_')}${name}`
  }

  readonly #report = (result: BatchObservableResult): void => {
    for (const each of this.#instruments) {
      try {
        reportInstrument(result, each)
      } catch (error) {
        this.#options.onError(error)
      }
    }
  }
}

/** One series of a histogram. Its attributes are one object, so that recording creates none. */
class HistogramObserver implements Observer {
  readonly #histogram: Histogram
  readonly #labels: Labels

  constructor(histogram: Histogram, labels: Labels) {
    this.#histogram = histogram
    this.#labels = labels
  }

  record(value: number): void {
    this.#histogram.record(value, this.#labels)
  }
}

function describe({ help, unit }: MetricDefinition): { readonly description: string; readonly unit: string } {
  return { description: help, unit }
}

/**
 * Reports the values of an instrument. The SDK keeps a series that is no longer reported at its last value. So a series that ended,
 * such as that of a closed component, is reported as 0 once.
 */
function reportInstrument(result: BatchObservableResult, each: ReadInstrument): void {
  const { instrument, read, last } = each
  if (!last) {
    for (const { labels, value } of read()) result.observe(instrument, value, labels)
    return
  }
  const current = new Map<string, Labels>()
  for (const { labels, value } of read()) {
    result.observe(instrument, value, labels)
    current.set(JSON.stringify(labels), labels)
  }
  for (const [key, labels] of last) if (!current.has(key)) result.observe(instrument, 0, labels)
  each.last = current
}
