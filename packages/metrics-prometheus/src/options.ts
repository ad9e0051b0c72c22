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
  /** prom-client's register to put the metrics into, such as its global `register`. @default a new one */
  readonly register?: MetricRegister
  /** What the names of all metrics begin with. @default 'sd_' */
  readonly prefix?: string
  /** Labels of every metric, such as the application's name. With a `register` of yours call its `setDefaultLabels` instead. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** Upper limits of the buckets of all latencies, in seconds, ascending. @default 1 ms to 30 s in 14 steps */
  readonly buckets?: readonly number[]
  /** Finds the exemplar of a call; false for none. @default the ids in the call's `traceparent` header, if sampled */
  readonly exemplar?: ExemplarSource | false
  /** Whether attempts, ejections, health checks and breakers of instances are told apart by `instance_id`. @default false */
  readonly instanceLabels?: boolean
  /**
   * Most series of one metric; what is new beyond it is counted with `other` in all labels until others have left. A histogram's buckets are not
   * counted. @default 1_000
   */
  readonly maxSeries?: number
  /**
   * A series that did not change for this time leaves when there are too many, in milliseconds; one of a service of which no instance was ever called
   * after 10 s. @default 600_000
   */
  readonly idleMs?: number
  /** Told of what can't be thrown at anybody: collectors and exemplars that fail. What it throws is dropped. @default ignored */
  readonly onError?: (error: unknown) => void
}

/** {@link MetricsOptions} that were checked, without gaps. */
export type ResolvedMetricsOptions = Readonly<Required<Omit<MetricsOptions, 'labels'>>>

const keys = ['register', 'prefix', 'labels', 'buckets', 'exemplar', 'instanceLabels', 'maxSeries', 'idleMs', 'onError']
const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Checks the options and fills the gaps. @throws SdError `SD_INVALID` that names the option */
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
    if (labels) throw invalidError('labels', labels, 'none beside a register, which has its own')
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
    throw invalidError('buckets', buckets, '1 to 100 upper limits in seconds')
  }
  let last = 0
  for (const [index, limit] of buckets.entries()) {
    const field = `buckets[${index}]`
    if (checkNumber(field, limit, { min: 0, max: 1_000_000 }) <= last) throw invalidError(field, limit, `more than ${last}`)
    last = limit
  }
  return buckets
}
