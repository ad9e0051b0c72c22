import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkText,
  guardListener,
  invalidError,
} from '@sd/core'
import { Registry } from 'prom-client'
import { type ExemplarSource, readTraceParent } from './exemplars.ts'
import type { MetricRegister } from './metric-set.ts'

/** Options of `createMetrics`. */
export interface MetricsOptions {
  /** The prom-client register that holds the metrics, such as the global `register`. @default a new one */
  readonly register?: MetricRegister
  /** Prefix of all metric names. @default 'sd_' */
  readonly prefix?: string
  /** Labels of every metric, such as the application's name. With your own `register`, call its `setDefaultLabels` instead. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** Upper bounds of all latency buckets, in seconds, ascending. @default 1 ms to 30 s in 14 steps */
  readonly buckets?: readonly number[]
  /** Returns the exemplar of a call; false disables exemplars. @default the ids in the call's `traceparent` header, if sampled */
  readonly exemplar?: ExemplarSource | false
  /** Adds the label `instance_id` to attempts, ejections, health checks and breakers. @default false */
  readonly instanceLabels?: boolean
  /**
   * Maximum number of series per metric, not counting a histogram's buckets. New series beyond it are counted under `other` in
   * all labels until idle series are removed. @default 1_000
   */
  readonly maxSeries?: number
  /**
   * At the limit, a series that has not changed for this long is removed, in milliseconds. If no instance of its service was
   * ever called, it is removed after 10 s. @default 600_000
   */
  readonly idleMs?: number
  /** Receives failures that have no caller: of collectors, exemplars and scrapes. Its own exceptions are dropped. @default ignored */
  readonly onError?: (error: unknown) => void
}

/** {@link MetricsOptions} after validation, with all defaults filled in. */
export type ResolvedMetricsOptions = Readonly<Required<Omit<MetricsOptions, 'labels'>>>

const keys = ['register', 'prefix', 'labels', 'buckets', 'exemplar', 'instanceLabels', 'maxSeries', 'idleMs', 'onError']
const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveMetricsOptions(options: MetricsOptions): ResolvedMetricsOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { prefix = 'sd_', buckets = defaultBuckets, exemplar = readTraceParent, onError = () => {} } = options
  if (!/^([a-zA-Z_][a-zA-Z0-9_]*)?$/.test(checkText('prefix', prefix, 64))) {
    throw invalidError('prefix', prefix, 'letters, digits and underscores')
  }
  return {
    register: readRegister(options),
    prefix,
    buckets: checkBuckets(buckets),
    exemplar: exemplar === false ? false : checkFunction('exemplar', exemplar),
    instanceLabels: checkBoolean('instanceLabels', options.instanceLabels ?? false),
    maxSeries: checkInteger('maxSeries', options.maxSeries ?? 1_000, { min: 1, max: 1_000_000 }),
    onError: guardListener('onError', checkFunction('onError', onError)),
    idleMs: checkDuration('idleMs', options.idleMs ?? 600_000, 1),
  }
}

function readRegister({ register, labels }: MetricsOptions): MetricRegister {
  if (register) {
    checkFunction('register.registerMetric', checkObject('register', register)['registerMetric'] as () => void)
    if (labels) throw invalidError('labels', labels, 'no labels together with a register (call setDefaultLabels of the register)')
    return register
  }
  const made = new Registry()
  for (const [name, value] of Object.entries(checkObject('labels', labels ?? {}))) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))
      throw invalidError(`labels.${name}`, value, 'a name of letters, digits and underscores')
    checkText(`labels.${name}`, value, 255)
  }
  made.setDefaultLabels({ ...labels })
  return made
}

function checkBuckets(buckets: readonly number[]): readonly number[] {
  if (!Array.isArray(buckets) || buckets.length === 0 || buckets.length > 100) {
    throw invalidError('buckets', buckets, '1 to 100 upper bounds in seconds')
  }
  let last = 0
  for (const [index, limit] of buckets.entries()) {
    const field = `buckets[${index}]`
    if (checkNumber(field, limit, { min: 0, max: 1_000_000 }) <= last) throw invalidError(field, limit, `more than ${last}`)
    last = limit
  }
  return buckets
}
