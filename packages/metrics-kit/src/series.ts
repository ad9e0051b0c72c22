import { invalidError } from '@sd/core'
import type { LabelSet, LabelSets, LabelValues } from './label-sets.ts'
import type { MetricDefinition, MetricKind } from './metric-definition.ts'
import type { MetricSink, Observer, SeriesValue } from './metric-sink.ts'
import { definitionOf } from './metric-table.ts'
import type { RecorderOptions } from './options.ts'
import { SeriesBounds } from './series-bounds.ts'

/** The series of a counter. */
export interface CounterSeries {
  /** Increments the series. @param amount 1 by default */
  add(values: LabelValues, amount?: number): void
}

/** One series of a counter or a gauge. */
export interface ValueSeries extends LabelSet {
  value: number
}

/** The series of a gauge. */
export interface GaugeSeries {
  /** Adds to the value since the last {@link GaugeSeries.clear}. @returns the series, which is `other` beyond the limit */
  add(values: LabelValues, amount: number): ValueSeries
  /** Combines a reported value with those since the last {@link GaugeSeries.clear}, in the way that the table says. */
  report(values: LabelValues, value: number): void
  /** Removes all series. */
  clear(): void
}

/** The series of a histogram. */
export interface HistogramSeries {
  /** Records an observation. @param exemplar labels of the exemplar; none by default @throws SdError `SD_INVALID` if the value is not finite */
  observe(values: LabelValues, value: number, exemplar?: Readonly<Record<string, string>>): void
}

/** Creates metrics with a bounded number of series. New ones beyond the limit are counted under `other` in all labels. */
export interface SeriesFactory {
  /** A counter of the table. @param refresh called before its values are read */
  counter(name: string, refresh?: () => void): CounterSeries
  /** A gauge of the table. @param refresh called before its values are read */
  gauge(name: string, refresh?: () => void): GaugeSeries
  /** A histogram of the table. */
  histogram(name: string): HistogramSeries
  /** Notes that an instance of a service was called, so that its series are kept longer than those of invented names. */
  noteService(service: string): void
  /** Reads the clock: series that are used from now on are used at this time. Once for each event, because it is not cheap. */
  noteTime(): void
}

/** One series of a histogram. */
interface ObservedSeries extends LabelSet {
  readonly observer: Observer
}

/** Builds the factory. It keeps the values, because sinks sort and join the labels at each change. */
export function createSeriesFactory(
  sink: MetricSink,
  options: Pick<RecorderOptions, 'maxSeries' | 'idleMs' | 'instanceLabels' | 'buckets'>,
): SeriesFactory {
  const bounds = new SeriesBounds(sink, options)

  function define(kind: MetricKind, name: string): MetricDefinition {
    const row = definitionOf(kind, name)
    return row.perInstance && options.instanceLabels ? { ...row, labels: [...row.labels, 'instance_id'] } : row
  }
  function createValue(labels: LabelSet['labels']): ValueSeries {
    return { labels, usedAt: bounds.now, value: 0 }
  }
  function reader(all: LabelSets<ValueSeries>, refresh?: () => void): () => Iterable<SeriesValue> {
    return () => {
      bounds.noteTime()
      refresh?.()
      return all.all()
    }
  }

  return {
    counter(name, refresh) {
      const definition = define('counter', name)
      const all = bounds.createTable<ValueSeries>(definition, { create: createValue, leave: () => true })
      sink.counter(definition, reader(all, refresh))
      return {
        add(values, amount = 1) {
          if (!(amount >= 0 && Number.isFinite(amount))) throw invalidError('amount', amount, 'a number of at least 0')
          all.of(values).value += amount
        },
      }
    },
    gauge(name, refresh) {
      const definition = define('gauge', name)
      // A series with a value other than 0 has work in progress, which is subtracted later.
      const all = bounds.createTable<ValueSeries>(definition, { create: createValue, leave: ({ value }) => value === 0 })
      sink.gauge(definition, reader(all, refresh))
      return new ReportedGauge(all, definition.merge === 'max')
    },
    histogram(name) {
      const definition = define('histogram', name)
      const createObserver = sink.histogram({ ...definition, buckets: definition.buckets ?? options.buckets }, readObservers)
      const all = bounds.createTable<ObservedSeries>(definition, {
        create: (labels) => ({ labels, usedAt: bounds.now, observer: createObserver(labels) }),
        leave: () => true,
      })
      function* readObservers(): Generator<Observer> {
        for (const { observer } of all.all()) yield observer
      }
      return {
        observe(values, value, exemplar) {
          if (!Number.isFinite(value)) throw invalidError('value', value, 'a finite number')
          all.of(values).observer.record(value, exemplar)
        },
      }
    },
    noteService: (service) => bounds.noteService(service),
    noteTime: () => bounds.noteTime(),
  }
}

/** A gauge whose values are added up, or of which the largest applies. */
class ReportedGauge implements GaugeSeries {
  readonly #all: LabelSets<ValueSeries>
  readonly #isMax: boolean
  readonly #reported = new WeakSet<ValueSeries>()

  constructor(all: LabelSets<ValueSeries>, isMax: boolean) {
    this.#all = all
    this.#isMax = isMax
  }

  add(values: LabelValues, amount: number): ValueSeries {
    const series = this.#all.of(values)
    series.value += amount
    return series
  }

  report(values: LabelValues, value: number): void {
    if (!this.#isMax) {
      this.add(values, value)
      return
    }
    const series = this.#all.of(values)
    series.value = this.#reported.has(series) ? Math.max(series.value, value) : value
    this.#reported.add(series)
  }

  clear(): void {
    this.#all.clear()
  }
}
