import type { Labels, Observer } from '@sd/metrics-kit'
import { Histogram, type HistogramConfiguration, type MetricObjectWithValues, type MetricValueWithName } from 'prom-client'

interface Exemplar {
  readonly labelSet: Readonly<Record<string, string>>
  readonly value: number
  /** Unix time in seconds. */
  readonly timestamp: number
}

/** A value in the form that a register of prom-client writes. */
type WrittenValue = MetricValueWithName<string> & { readonly exemplar?: Exemplar | undefined }

/** Its type has `collect`, which it does not have. */
type Written = MetricObjectWithValues<MetricValueWithName<string>>

/** One series of a {@link SeriesHistogram}. */
export class HistogramValues implements Observer {
  readonly labels: Labels
  /** Observations by bucket, not added up; the last one is above all bounds. */
  readonly counts: number[]
  sum = 0
  /** The last exemplar of each bucket. */
  exemplars: (Exemplar | undefined)[] | undefined
  readonly #bounds: readonly number[]

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels
    this.counts = new Array<number>(bounds.length + 1).fill(0)
    this.#bounds = bounds
  }

  /** Records an observation. @param exemplar labels of the exemplar */
  record(value: number, exemplar?: Readonly<Record<string, string>>): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.sum += value
    if (!exemplar) return
    this.exemplars ??= []
    this.exemplars[bucket] = { labelSet: exemplar, value, timestamp: Date.now() / 1_000 }
  }
}

/**
 * A histogram whose series its owner keeps. That of prom-client sorts, joins and checks the labels at each observation, which
 * costs more than the observation.
 */
export class SeriesHistogram extends Histogram<string> {
  /** The series. */
  source: () => Iterable<HistogramValues> = () => []
  readonly #bounds: readonly number[]

  constructor(configuration: HistogramConfiguration<string> & { readonly buckets: number[] }) {
    super(configuration)
    this.#bounds = [...configuration.buckets]
    // A register prefers this method of prom-client's histograms, and reads derived objects.
    Object.defineProperties(this, { getForPromString: { value: undefined }, get: { value: () => this.#write() } })
  }

  /** Creates a series. */
  createValues(labels: Labels): HistogramValues {
    return new HistogramValues(labels, this.#bounds)
  }

  async #write(): Promise<Written> {
    const values: WrittenValue[] = []
    for (const series of this.source()) this.#writeSeries(series, values)
    const { name, help, type, aggregator } = this as unknown as Written
    return { name, help, type, aggregator, values } as Written
  }

  #writeSeries({ labels, counts, sum, exemplars }: HistogramValues, values: WrittenValue[]): void {
    const { name } = this as unknown as Written
    let count = 0
    for (const [index, le] of [...this.#bounds, '+Inf'].entries()) {
      count += counts[index] as number
      values.push({ labels: { le, ...labels }, value: count, metricName: `${name}_bucket`, exemplar: exemplars?.[index] })
    }
    values.push({ labels, value: sum, metricName: `${name}_sum` }, { labels, value: count, metricName: `${name}_count` })
  }
}
