import { BoundedMap, invalidError } from '@sd/core'
import { createLabelSets, type LabelSet, type LabelSets, type LabelValues } from './label-sets.ts'
import { type MetricDefinition, type MetricKind, prometheusNameOf } from './metric-definition.ts'
import type { MetricSink, Observer, SeriesValue } from './metric-sink.ts'
import { definitionOf } from './metric-table.ts'
import type { RecorderOptions } from './options.ts'

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

/** A series of a service that was never reached can be removed after this time, in milliseconds. */
const unknownIdleMs = 10_000
/** Maximum number of services remembered as reached. */
const maxServices = 10_000

/** Builds the factory. It keeps the values, because sinks sort and join the labels at each change. */
export function createSeriesFactory(
  sink: MetricSink,
  { maxSeries, idleMs, instanceLabels, buckets }: Pick<RecorderOptions, 'maxSeries' | 'idleMs' | 'instanceLabels' | 'buckets'>,
): SeriesFactory {
  const reached = new BoundedMap<string, true>({ maxEntries: maxServices, ...(idleMs !== undefined && { idleMs }) })
  const overflow = new Map<string, ValueSeries>()
  let time = performance.now()
  sink.counter(definitionOf('counter', 'metrics.overflow'), () => overflow.values())

  function define(kind: MetricKind, name: string): MetricDefinition {
    const row = definitionOf(kind, name)
    return row.perInstance && instanceLabels ? { ...row, labels: [...row.labels, 'instance_id'] } : row
  }
  function countOverflow(metric: string): void {
    const series = overflow.get(metric)
    if (series) series.value++
    else overflow.set(metric, { labels: { metric }, usedAt: time, value: 1 })
  }
  function idleMsOf(isOfService: boolean, service: unknown): number {
    if (idleMs === undefined) return Number.POSITIVE_INFINITY
    return isOfService && reached.get(String(service)) === undefined ? Math.min(unknownIdleMs, idleMs) : idleMs
  }
  function boundLabels<Series extends LabelSet>(
    definition: MetricDefinition,
    { create, leave }: { create(labels: LabelSet['labels']): Series; leave(series: Series): boolean },
  ): LabelSets<Series> {
    const metric = prometheusNameOf(definition)
    const isOfService = definition.labels[0] === 'service'
    return createLabelSets(definition.labels, {
      maxSeries,
      onOverflow: () => countOverflow(metric),
      create,
      leave,
      idleMs: ({ service }) => idleMsOf(isOfService, service),
      now: () => time,
    })
  }
  function reader(all: LabelSets<ValueSeries>, refresh?: () => void): () => Iterable<SeriesValue> {
    return () => {
      time = performance.now()
      refresh?.()
      return all.all()
    }
  }

  return {
    counter(name, refresh) {
      const definition = define('counter', name)
      const all = boundLabels<ValueSeries>(definition, { create: createValue, leave: () => true })
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
      const all = boundLabels<ValueSeries>(definition, { create: createValue, leave: ({ value }) => value === 0 })
      const reported = new WeakSet<ValueSeries>()
      const isSum = definition.merge !== 'max'
      sink.gauge(definition, reader(all, refresh))
      return {
        add(values, amount) {
          const series = all.of(values)
          series.value += amount
          return series
        },
        report(values, value) {
          const series = all.of(values)
          if (isSum) series.value += value
          else series.value = reported.has(series) ? Math.max(series.value, value) : value
          reported.add(series)
        },
        clear: () => all.clear(),
      }
    },
    histogram(name) {
      const definition = define('histogram', name)
      const createObserver = sink.histogram({ ...definition, buckets: definition.buckets ?? buckets }, readObservers)
      const all = boundLabels<ObservedSeries>(definition, {
        create: (labels) => ({ labels, usedAt: time, observer: createObserver(labels) }),
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
    noteService(service) {
      if (!reached.get(service)) reached.set(service, true)
    },
    noteTime() {
      time = performance.now()
    },
  }

  function createValue(labels: LabelSet['labels']): ValueSeries {
    return { labels, usedAt: time, value: 0 }
  }
}
