import type { Labels } from './label-sets.ts'
import type { MetricDefinition } from './metric-definition.ts'

/** The current value of a series. */
export interface SeriesValue {
  readonly labels: Labels
  readonly value: number
}

/** Records the observations of one series of a histogram. */
export interface Observer {
  /** @param exemplar labels of the exemplar, if there is one */
  record(value: number, exemplar?: Readonly<Record<string, string>>): void
}

/** A histogram whose buckets are decided. */
export interface HistogramDefinition extends MetricDefinition {
  /** Upper bounds of the buckets, in its unit, ascending. */
  readonly buckets: readonly number[]
}

/**
 * Where metrics go: prom-client, or a meter of OpenTelemetry. The recorder keeps the values of counters and gauges, and the sink reads
 * them. It passes on each observation of a histogram. The labels of a definition include `instance_id`, if there is that label.
 */
export interface MetricSink {
  /** A value that only increases. @param read returns the total of each series */
  counter(definition: MetricDefinition, read: () => Iterable<SeriesValue>): void
  /** A value that goes up and down. @param read returns the value of each series; those that ended are missing */
  gauge(definition: MetricDefinition, read: () => Iterable<SeriesValue>): void
  /** A distribution. @param read returns the observers that are still in use @returns creates the observer of a new series */
  histogram(definition: HistogramDefinition, read: () => Iterable<Observer>): (labels: Labels) => Observer
}
