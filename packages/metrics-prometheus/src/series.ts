import { BoundedMap } from '@sd/core'
import type { HistogramDefinition, MetricSet, PulledDefinition } from './metric-set.ts'

/** Label values of a metric, in the order of its label names. */
export type LabelValues = readonly (string | number)[]

/** The labels of a series. */
export type Labels = Record<string, string | number>

/** The series of a counter. */
export interface CounterSeries {
  /** Increments the series. @param amount 1 by default */
  add(values: LabelValues, amount?: number): void
}

/** The series of a gauge. */
export interface GaugeSeries {
  /** Adds to the value since the last {@link GaugeSeries.clear}. @returns the series, which is `other` beyond the limit */
  add(values: LabelValues, amount: number): Labels
  /** Adds to a series that {@link GaugeSeries.add} returned, so that an amount added to `other` is subtracted there. */
  addTo(series: Labels, amount: number): void
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
}

/** Limits on the number of series. */
export interface SeriesLimits {
  /** Maximum number of series per metric, without `other`. */
  readonly maxSeries: number
  /** At the limit, a series that has not changed for this long can be removed, in milliseconds. */
  readonly idleMs: number
}

/** A series of a service that was never reached can be removed after this time, in milliseconds. */
const unknownIdleMs = 10_000
/** Minimum time between two searches for removable series, in milliseconds: each visits all series. */
const sweepMs = 1_000
/** Maximum number of services remembered as reached. */
const maxServices = 10_000

/** Builds the factory. */
export function createSeriesFactory(metrics: MetricSet, { maxSeries, idleMs }: SeriesLimits): SeriesFactory {
  const reached = new BoundedMap<string, true>({ maxEntries: maxServices, idleMs })
  const overflow = metrics.counter({
    name: 'metrics_overflow_total',
    help: 'Observations counted under "other" because their metric reached its limit of series.',
    labelNames: ['metric'],
  })

  function boundLabels({ name, labelNames = [] }: PulledDefinition, leave: (labels: Labels) => boolean): LabelSets {
    const isOfService = labelNames[0] === 'service'
    return createLabelSets(labelNames, {
      maxSeries,
      onOverflow: () => overflow.inc({ metric: name }),
      leave,
      idleMs: ({ service }) =>
        isOfService && reached.get(String(service)) === undefined ? Math.min(unknownIdleMs, idleMs) : idleMs,
    })
  }

  return {
    counter(definition) {
      const counter = metrics.counter(definition)
      const labels = boundLabels(definition, (set) => {
        counter.remove(set)
        return true
      })
      return { add: (values, amount) => counter.inc(labels.of(values), amount) }
    },
    gauge(definition) {
      const current = new Map<Labels, number>()
      // A series with a value other than 0 has work in progress, which is subtracted later.
      const labels = boundLabels(definition, (set) => (current.get(set) ?? 0) === 0 && (current.delete(set) || true))
      // Copied to prom-client once per reading, because prom-client sorts and joins the labels at each change.
      const gauge = metrics.gauge({
        ...definition,
        collect() {
          definition.collect?.()
          gauge.reset()
          for (const [set, value] of current) gauge.set(set, value)
        },
      })
      return {
        add(values, amount) {
          const set = labels.of(values)
          this.addTo(set, amount)
          return set
        },
        addTo: (set, amount) => void current.set(set, (current.get(set) ?? 0) + amount),
        raise(values, value) {
          const set = labels.of(values)
          current.set(set, Math.max(current.get(set) ?? value, value))
        },
        clear() {
          labels.clear()
          current.clear()
        },
      }
    },
    histogram(definition) {
      const histogram = metrics.histogram({ ...definition, enableExemplars: true })
      const labels = boundLabels(definition, (set) => {
        histogram.remove(set)
        return true
      })
      return {
        observe: (values, value, exemplar = {}) =>
          histogram.observe({ labels: labels.of(values), value, exemplarLabels: exemplar }),
      }
    },
    noteService(service) {
      if (!reached.get(service)) reached.set(service, true)
    },
  }
}

interface LabelSets {
  /** The labels with these values; the same object for the same values. */
  of(values: LabelValues): Labels
  /** Removes all label sets. */
  clear(): void
}

interface LabelSetLimits {
  readonly maxSeries: number
  readonly onOverflow: () => void
  /** Time without use after which a set can be removed, in milliseconds. */
  readonly idleMs: (labels: Labels) => number
  /** Removes the series of a set. @returns whether it was removed */
  readonly leave: (labels: Labels) => boolean
}

function createLabelSets(names: readonly string[], { maxSeries, onOverflow, idleMs, leave }: LabelSetLimits): LabelSets {
  const known = new Map<string, { readonly labels: Labels; usedAt: number }>()
  const other: Labels = Object.fromEntries(names.map((name) => [name, 'other']))
  let sweptAt = Number.NEGATIVE_INFINITY

  function makeRoom(now: number): void {
    if (now - sweptAt < sweepMs) return
    sweptAt = now
    for (const [key, { labels, usedAt }] of known) {
      if (now - usedAt >= idleMs(labels) && leave(labels)) known.delete(key)
    }
  }

  return {
    of(values) {
      const key = values.join('\0')
      const now = performance.now()
      const found = known.get(key)
      if (found) {
        found.usedAt = now
        return found.labels
      }
      if (known.size >= maxSeries) makeRoom(now)
      if (known.size >= maxSeries) {
        onOverflow()
        return other
      }
      const labels: Labels = Object.fromEntries(names.map((name, index) => [name, String(values[index] ?? '').toWellFormed()]))
      known.set(key, { labels, usedAt: now })
      return labels
    },
    clear: () => known.clear(),
  }
}
