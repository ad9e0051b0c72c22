import { BoundedMap, invalidError } from '@sd/core'
import type { Counter } from 'prom-client'
import { createLabelSets, type LabelSet, type LabelSets, type LabelValues } from './label-sets.ts'
import type { HistogramDefinition, OwnedMetricSet, PulledDefinition } from './metric-set.ts'
import { type HistogramValues, SeriesHistogram } from './series-histogram.ts'

/** The series of a counter. */
export interface CounterSeries {
  /** Increments the series. @param amount 1 by default */
  add(values: LabelValues, amount?: number): void
}

/** One series of a gauge. */
export interface GaugeValue extends LabelSet {
  value: number
}

/** The series of a gauge. */
export interface GaugeSeries {
  /** Adds to the value since the last {@link GaugeSeries.clear}. @returns the series, which is `other` beyond the limit */
  add(values: LabelValues, amount: number): GaugeValue
  /** Sets the value, unless a larger one was set since the last {@link GaugeSeries.clear}. */
  raise(values: LabelValues, value: number): void
  /** Removes all series. */
  clear(): void
}

/** The series of a histogram. */
export interface HistogramSeries {
  /** Records an observation. @param exemplar labels of the exemplar; none by default */
  observe(values: LabelValues, value: number, exemplar?: Readonly<Record<string, string>>): void
}

/** Creates metrics with a bounded number of series. New ones beyond the limit are counted under `other` in all labels. */
export interface SeriesFactory {
  /** A counter. */
  counter(definition: PulledDefinition): CounterSeries
  /** A gauge. */
  gauge(definition: PulledDefinition): GaugeSeries
  /** A histogram. */
  histogram(definition: Omit<HistogramDefinition, 'enableExemplars'>): HistogramSeries
  /** Notes that an instance of a service was called, so that its series are kept longer than those of invented names. */
  noteService(service: string): void
  /** Reads the clock: series that are used from now on are used at this time. Once for each event, because it is not cheap. */
  noteTime(): void
}

/** Limits on the number of series. */
export interface SeriesLimits {
  /** Maximum number of series per metric, without `other`. */
  readonly maxSeries: number
  /** At the limit, a series that has not changed for this long can be removed, in milliseconds. */
  readonly idleMs: number
}

/** One series of a counter. */
interface CounterValue extends LabelSet {
  /** What was added since the last reading. */
  pending: number
  isNew: boolean
}

/** A series of a service that was never reached can be removed after this time, in milliseconds. */
const unknownIdleMs = 10_000
/** Maximum number of services remembered as reached. */
const maxServices = 10_000

/** Builds the factory. Values are copied to prom-client at each reading, because it sorts and joins the labels at each change. */
export function createSeriesFactory(metrics: OwnedMetricSet, { maxSeries, idleMs }: SeriesLimits): SeriesFactory {
  const reached = new BoundedMap<string, true>({ maxEntries: maxServices, idleMs })
  const overflow = metrics.counter({
    name: 'metrics_overflow_total',
    help: 'Observations counted under "other" because their metric reached its limit of series.',
    labelNames: ['metric'],
  })
  let time = performance.now()

  function boundLabels<Series extends LabelSet>(
    { name, labelNames = [] }: PulledDefinition,
    { create, leave }: { create(labels: LabelSet['labels']): Series; leave(series: Series): boolean },
  ): LabelSets<Series> {
    const isOfService = labelNames[0] === 'service'
    return createLabelSets(labelNames, {
      maxSeries,
      onOverflow: () => overflow.inc({ metric: name }),
      create,
      leave,
      idleMs: ({ service }) =>
        isOfService && reached.get(String(service)) === undefined ? Math.min(unknownIdleMs, idleMs) : idleMs,
      now: () => time,
    })
  }

  return {
    counter(definition) {
      const all = boundLabels<CounterValue>(definition, {
        create: (labels) => ({ labels, usedAt: time, pending: 0, isNew: true }),
        leave({ labels, isNew }) {
          if (!isNew) counter.remove(labels)
          return true
        },
      })
      const counter = metrics.counter({
        ...definition,
        collect() {
          time = performance.now()
          definition.collect?.()
          for (const series of all.all()) writePending(counter, series)
        },
      })
      return {
        add(values, amount = 1) {
          if (!(amount >= 0 && Number.isFinite(amount))) throw invalidError('amount', amount, 'a number of at least 0')
          all.of(values).pending += amount
        },
      }
    },
    gauge(definition) {
      const all = boundLabels<GaugeValue>(definition, {
        create: (labels) => ({ labels, usedAt: time, value: 0 }),
        // A series with a value other than 0 has work in progress, which is subtracted later.
        leave: ({ value }) => value === 0,
      })
      const raised = new WeakSet<GaugeValue>()
      const gauge = metrics.gauge({
        ...definition,
        collect() {
          time = performance.now()
          definition.collect?.()
          gauge.reset()
          for (const { labels, value } of all.all()) gauge.set(labels, value)
        },
      })
      return {
        add(values, amount) {
          const series = all.of(values)
          series.value += amount
          return series
        },
        raise(values, value) {
          const series = all.of(values)
          series.value = raised.has(series) ? Math.max(series.value, value) : value
          raised.add(series)
        },
        clear: () => all.clear(),
      }
    },
    histogram(definition) {
      const histogram = metrics.obtain(SeriesHistogram, { ...definition, buckets: [...definition.buckets] } as PulledDefinition)
      const all = boundLabels<HistogramValues & LabelSet>(definition, {
        create: (labels) => ({ ...histogram.createValues(labels), usedAt: time }),
        leave: () => true,
      })
      histogram.source = () => all.all()
      return { observe: (values, value, exemplar) => histogram.record(all.of(values), value, exemplar) }
    },
    noteService(service) {
      if (!reached.get(service)) reached.set(service, true)
    },
    noteTime() {
      time = performance.now()
    },
  }
}

/** Adds to a counter of prom-client what was added to a series since the last reading. */
function writePending(counter: Counter, series: CounterValue): void {
  if (series.pending === 0 && !series.isNew) return
  counter.inc(series.labels, series.pending)
  series.pending = 0
  series.isNew = false
}
