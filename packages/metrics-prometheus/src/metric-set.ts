import { closedError, SdError, toSdError } from '@sd/core'
import {
  Counter,
  type CounterConfiguration,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  type Metric,
  type OpenMetricsContentType,
  type PrometheusContentType,
  type Registry,
} from 'prom-client'

/** A prom-client register of either content type. */
export type MetricRegister = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>

/** Definition of a metric. */
export interface MetricDefinition<Label extends string = string> {
  /** Name without the prefix. Ends with the unit, and with `_total` for counters. */
  readonly name: string
  /** Help text: one sentence that describes the value. */
  readonly help: string
  /** Label names. @default none */
  readonly labelNames?: readonly Label[]
}

/** Definition of a metric whose value is collected when it is read. */
export interface PulledDefinition<Label extends string = string> extends MetricDefinition<Label> {
  /** Called synchronously before each reading. @default nothing */
  readonly collect?: () => void
}

/** Definition of a histogram. */
export interface HistogramDefinition<Label extends string = string> extends MetricDefinition<Label> {
  /** Upper bounds of the buckets, ascending. */
  readonly buckets: readonly number[]
  /** Whether observations have exemplars: `observe` then takes one object. @default false */
  readonly enableExemplars?: boolean
}

/**
 * The metrics of one owner in a register, under its prefix. The same name returns the same metric. Each method throws an
 * SdError: `SD_INVALID` if Prometheus does not allow the definition, `SD_CONFLICT` if the name is taken, `SD_CLOSED` after `close`.
 */
export interface MetricSet {
  /** A value that only increases. */
  counter<Label extends string = never>(definition: PulledDefinition<Label>): Counter<Label>
  /** A value that goes up and down. */
  gauge<Label extends string = never>(definition: PulledDefinition<Label>): Gauge<Label>
  /** The distribution of observed values. */
  histogram<Label extends string = never>(definition: HistogramDefinition<Label>): Histogram<Label>
}

/** A {@link MetricSet} that can be closed. */
export interface OwnedMetricSet extends MetricSet {
  /** A metric of another class. It is created with `registers: []`, and registered afterwards. */
  obtain<Configuration, Made extends Metric>(kind: MetricClass<Configuration, Made>, definition: PulledDefinition): Made
  /** Removes the metrics from the register and rejects new ones. */
  close(): void
}

/** The constructor that all metric classes of prom-client share. */
export type MetricClass<Configuration, Made extends Metric> = new (configuration: Configuration) => Made

/** Creates an empty set. @param prefix prefix of all metric names */
export function createMetricSet(register: MetricRegister, prefix: string, onError: (error: unknown) => void): OwnedMetricSet {
  const made = new Map<string, Metric>()
  let isClosed = false

  function obtain<Configuration, Made extends Metric>(
    kind: MetricClass<Configuration, Made>,
    { name, collect, ...rest }: PulledDefinition,
  ): Made {
    if (isClosed) throw closedError('metrics')
    const fullName = `${prefix}${name}`
    const known = made.get(fullName)
    if (known instanceof kind) return known
    if (register.getSingleMetric(fullName)) {
      throw new SdError('SD_CONFLICT', `The register already has a metric ${fullName}: use another name, prefix or register`)
    }
    try {
      // Registered explicitly: a prom-client constructor rejects exemplars if the register's own format is the text format.
      const own = collect && { collect: guardCollect(collect, onError) }
      const metric = new kind({ ...rest, ...own, name: fullName, registers: [] } as Configuration)
      register.registerMetric(metric)
      made.set(fullName, metric)
      return metric
    } catch (error) {
      throw toSdError(error, 'SD_INVALID', `metric ${fullName}`)
    }
  }

  return {
    obtain,
    counter: <Label extends string>(definition: PulledDefinition<Label>) =>
      obtain<CounterConfiguration<Label>, Counter<Label>>(Counter, definition),
    gauge: <Label extends string>(definition: PulledDefinition<Label>) =>
      obtain<GaugeConfiguration<Label>, Gauge<Label>>(Gauge, definition),
    histogram: <Label extends string>(definition: HistogramDefinition<Label>) =>
      obtain<HistogramConfiguration<Label>, Histogram<Label>>(Histogram, withOwnBuckets(definition)),
    close() {
      isClosed = true
      for (const name of made.keys()) register.removeSingleMetric(name)
      made.clear()
    },
  }
}

/** prom-client freezes the array it receives. */
function withOwnBuckets<Label extends string>(definition: HistogramDefinition<Label>): HistogramDefinition<Label> {
  return { ...definition, buckets: [...definition.buckets] }
}

/** An exception in one `collect` must not affect other metrics: prom-client would fail the whole reading. */
function guardCollect(collect: () => unknown, onError: (error: unknown) => void): () => unknown {
  return function collectSafely(this: unknown) {
    try {
      const result = collect.call(this)
      return result instanceof Promise ? result.catch(onError) : undefined
    } catch (error) {
      return onError(error)
    }
  }
}
