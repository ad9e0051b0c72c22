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

/** Where prom-client keeps metrics, of either content type. */
export type MetricRegister = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>

/** What a metric is. */
export interface MetricDefinition<Label extends string = string> {
  /** Its name without the prefix, with the unit and for counters `_total` at its end. */
  readonly name: string
  /** What it tells, in a sentence. */
  readonly help: string
  /** Names of its labels. @default none */
  readonly labelNames?: readonly Label[]
}

/** What a metric is whose value is asked for when it is read. */
export interface PulledDefinition<Label extends string = string> extends MetricDefinition<Label> {
  /** Called synchronously before each reading. @default nothing */
  readonly collect?: () => void
}

/** What a histogram is. */
export interface HistogramDefinition<Label extends string = string> extends MetricDefinition<Label> {
  /** Upper limits of its buckets, ascending. */
  readonly buckets: readonly number[]
  /** Whether observations carry exemplars: `observe` then takes one object. @default false */
  readonly enableExemplars?: boolean
}

/**
 * The metrics of one owner in a register, under its prefix. A name is made once: who asks again gets the same metric. Each method throws
 * an SdError: `SD_INVALID` for a definition that Prometheus doesn't take, `SD_CONFLICT` for a name that is taken, `SD_CLOSED`.
 */
export interface MetricSet {
  /** Something that only grows. */
  counter<Label extends string = never>(definition: PulledDefinition<Label>): Counter<Label>
  /** Something that goes up and down. */
  gauge<Label extends string = never>(definition: PulledDefinition<Label>): Gauge<Label>
  /** How values are spread. */
  histogram<Label extends string = never>(definition: HistogramDefinition<Label>): Histogram<Label>
}

/** A {@link MetricSet} that can be ended. */
export interface OwnedMetricSet extends MetricSet {
  /** Takes the metrics out of the register, and refuses to make others. */
  close(): void
}

/** The classes of prom-client, by what they have in common. */
type MetricClass<Configuration, Made extends Metric> = new (configuration: Configuration) => Made

/** An empty set. @param prefix what the names begin with */
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
      throw new SdError('SD_CONFLICT', `The register has another metric ${fullName}: use another name, prefix or register`)
    }
    try {
      // Registered by hand, because prom-client refuses exemplars where the register's own format is the text one.
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

/** prom-client freezes the array that it gets. */
function withOwnBuckets<Label extends string>(definition: HistogramDefinition<Label>): HistogramDefinition<Label> {
  return { ...definition, buckets: [...definition.buckets] }
}

/** One metric that can't be read takes no other with it: prom-client would fail the whole reading. */
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
