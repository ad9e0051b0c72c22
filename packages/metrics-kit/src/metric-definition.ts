/** Kind of a metric. */
export type MetricKind = 'counter' | 'gauge' | 'histogram'

/** Definition of a metric, without its name. */
export interface MetricRow {
  readonly kind: MetricKind
  /**
   * Unit by UCUM, as OpenTelemetry uses it: `s` or `By`. One in braces, such as `{call}`, only says what is counted. Empty for
   * a state, a version or a flag.
   */
  readonly unit: string
  /** One sentence that describes the value. */
  readonly help: string
  /** Names of the labels, in the order of the values. */
  readonly labels: readonly string[]
  /** Whether it also has the label `instance_id`, if the options ask for it. @default false */
  readonly perInstance?: boolean
  /**
   * How a gauge combines the reports of several components with the same labels: their sum, or the largest value.
   *
   * @default 'sum'
   */
  readonly merge?: 'sum' | 'max'
  /** Upper bounds of the buckets of a histogram, in its unit. @default those of the options */
  readonly buckets?: readonly number[]
}

/** Part of the table, by name. */
export type MetricRows = Readonly<Record<string, MetricRow>>

/** Definition of a metric. */
export interface MetricDefinition extends MetricRow {
  /** Name in the way of OpenTelemetry, without prefix and unit: `call.duration`. */
  readonly name: string
}

/** How Prometheus writes the units that have a suffix. */
const unitSuffixes: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' }

/**
 * The name of a metric in Prometheus, without a prefix. The rule is that of the OpenTelemetry specification, which exporters
 * apply: dots become underscores, then follow the unit and, for counters, `_total`.
 */
export function prometheusNameOf({ name, unit, kind }: Pick<MetricDefinition, 'name' | 'unit' | 'kind'>): string {
  return `${name.replaceAll('.', '_')}${unitSuffixes[unit] ?? ''}${kind === 'counter' ? '_total' : ''}`
}
