import { BoundedMap } from '@sd/core'
import type { HistogramDefinition, MetricSet, PulledDefinition } from './metric-set.ts'

/** Values of a metric's labels, in the order of their names. */
export type LabelValues = readonly (string | number)[]

/** The labels of a series. */
export type Labels = Record<string, string | number>

/** The series of a counter. */
export interface CounterSeries {
  /** Counts. @param amount 1 by default */
  add(values: LabelValues, amount?: number): void
}

/** The series of a gauge. */
export interface GaugeSeries {
  /** Adds to what was there since the last {@link GaugeSeries.clear}. @returns the series, which is `other` where there are too many */
  add(values: LabelValues, amount: number): Labels
  /** Adds to a series that {@link GaugeSeries.add} returned, so that what was added to `other` is taken off there. */
  addTo(series: Labels, amount: number): void
  /** Puts the value, unless a larger one was there since the last {@link GaugeSeries.clear}. */
  raise(values: LabelValues, value: number): void
  /** Removes all series. */
  clear(): void
}

/** The series of a histogram. */
export interface HistogramSeries {
  /** Takes an observation. @param exemplar labels of the exemplar; none by default */
  observe(values: LabelValues, value: number, exemplar?: Readonly<Record<string, string>>): void
}

/** Makes metrics whose series are bounded in number: beyond the limit, what is new is counted with `other` in all labels until others have left. */
export interface SeriesFactory {
  /** A counter. */
  counter(definition: PulledDefinition): CounterSeries
  /** A gauge. */
  gauge(definition: PulledDefinition): GaugeSeries
  /** A histogram. */
  histogram(definition: Omit<HistogramDefinition, 'enableExemplars'>): HistogramSeries
  /** A service has an instance that was called: its series don't leave with those of names that somebody made up. */
  noteService(service: string): void
}

/** When series may leave. */
export interface SeriesLimits {
  /** Most series of one metric, `other` not counted. */
  readonly maxSeries: number
  /** A series that was not counted for this time may leave when there are too many, in milliseconds. */
  readonly idleMs: number
}

/** A series of a service that was never reached may leave after this time, in milliseconds. */
const unknownIdleMs = 10_000
/** How often series that may leave are looked for, in milliseconds: it takes a look at all of them. */
const sweepMs = 1_000
/** Services that are remembered as reached. */
const maxServices = 10_000

/** Builds the factory. */
export function createSeriesFactory(metrics: MetricSet, { maxSeries, idleMs }: SeriesLimits): SeriesFactory {
  const reached = new BoundedMap<string, true>({ maxEntries: maxServices, idleMs })
  const overflow = metrics.counter({
    name: 'metrics_overflow_total',
    help: 'Observations that were counted under "other", because their metric has too many series.',
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
      // Something that is still under way will be taken off again.
      const labels = boundLabels(definition, (set) => (current.get(set) ?? 0) === 0 && (current.delete(set) || true))
      // Put into prom-client once per reading: it sorts and joins the labels at each change.
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
  /** The labels with these values; the same object for the same ones. */
  of(values: LabelValues): Labels
  /** Forgets all. */
  clear(): void
}

interface LabelSetLimits {
  readonly maxSeries: number
  readonly onOverflow: () => void
  /** After which time without use a set may leave, in milliseconds. */
  readonly idleMs: (labels: Labels) => number
  /** Removes the series of a set. @returns whether it could leave */
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
