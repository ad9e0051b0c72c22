import { invalidError } from '@sd/core'
import { Histogram, type HistogramConfiguration, type MetricObjectWithValues, type MetricValueWithName } from 'prom-client'
import type { Labels } from './label-sets.ts'

/** One series of a {@link SeriesHistogram}. */
export interface HistogramValues {
  readonly labels: Labels
  /** Observations by bucket, not added up; the last one is above all bounds. */
  readonly counts: number[]
  sum: number
  /** The last exemplar of each bucket. */
  exemplars: (Exemplar | undefined)[] | undefined
}

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
    return { labels, counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0, exemplars: undefined }
  }

  /** Records an observation. @param exemplar labels of the exemplar @throws SdError `SD_INVALID` if the value is not finite */
  record(series: HistogramValues, value: number, exemplar: Readonly<Record<string, string>> | undefined): void {
    if (!Number.isFinite(value)) throw invalidError('value', value, 'a finite number')
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
    series.counts[bucket] = (series.counts[bucket] as number) + 1
    series.sum += value
    if (!exemplar) return
    series.exemplars ??= []
    series.exemplars[bucket] = { labelSet: exemplar, value, timestamp: Date.now() / 1_000 }
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
