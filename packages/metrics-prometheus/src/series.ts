import type { HistogramDefinition, MetricSet, PulledDefinition } from './metric-set.ts'

/** Values of a metric's labels, in the order of their names. */
export type LabelValues = readonly (string | number)[]

/** The series of a counter. */
export interface CounterSeries {
  /** Counts. @param amount 1 by default */
  add(values: LabelValues, amount?: number): void
}

/** The series of a gauge. */
export interface GaugeSeries {
  /** Adds to what was there since the last {@link GaugeSeries.clear}. */
  add(values: LabelValues, amount: number): void
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

/** Makes metrics whose series are bounded in number: beyond the limit, what is new is counted with `other` in all labels. */
export interface SeriesFactory {
  /** A counter. */
  counter(definition: PulledDefinition): CounterSeries
  /** A gauge. */
  gauge(definition: PulledDefinition): GaugeSeries
  /** A histogram. */
  histogram(definition: Omit<HistogramDefinition, 'enableExemplars'>): HistogramSeries
}

/** Builds the factory. @param maxSeries most series of one metric, `other` not counted */
export function createSeriesFactory(metrics: MetricSet, maxSeries: number): SeriesFactory {
  const overflow = metrics.counter({
    name: 'metrics_overflow_total',
    help: 'Observations that were counted under "other", because their metric has too many series.',
    labelNames: ['metric'],
  })

  function boundLabels({ name, labelNames = [] }: PulledDefinition): LabelSets {
    return createLabelSets(labelNames, maxSeries, () => overflow.inc({ metric: name }))
  }

  return {
    counter(definition) {
      const counter = metrics.counter(definition)
      const labels = boundLabels(definition)
      return { add: (values, amount) => counter.inc(labels.of(values), amount) }
    },
    gauge(definition) {
      const labels = boundLabels(definition)
      const current = new Map<Labels, number>()
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
          current.set(set, (current.get(set) ?? 0) + amount)
        },
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
      const labels = boundLabels(definition)
      return {
        observe: (values, value, exemplar = {}) =>
          histogram.observe({ labels: labels.of(values), value, exemplarLabels: exemplar }),
      }
    },
  }
}

type Labels = Record<string, string | number>

interface LabelSets {
  /** The labels with these values; the same object for the same ones. */
  of(values: LabelValues): Labels
  /** Forgets all. */
  clear(): void
}

function createLabelSets(names: readonly string[], maxSeries: number, onOverflow: () => void): LabelSets {
  const known = new Map<string, Labels>()
  const other: Labels = Object.fromEntries(names.map((name) => [name, 'other']))
  return {
    of(values) {
      const key = values.join('\0')
      const found = known.get(key)
      if (found) return found
      if (known.size >= maxSeries) {
        onOverflow()
        return other
      }
      const made: Labels = Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
      known.set(key, made)
      return made
    },
    clear: () => known.clear(),
  }
}
