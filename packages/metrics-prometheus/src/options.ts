import { checkFunction, checkKnownKeys, checkObject, checkText, invalidError } from '@sd/core'
import { type MeasureOptions, resolveIdleMs, resolveMeasureOptions } from '@sd/metrics-kit'
import { Registry } from 'prom-client'
import { type ExemplarSource, readTraceParent } from './exemplars.ts'
import type { MetricRegister } from './metric-set.ts'

/** Options of `createMetrics`. */
export interface MetricsOptions extends MeasureOptions {
  /** The prom-client register that holds the metrics, such as the global `register`. @default a new one */
  readonly register?: MetricRegister
  /** Prefix of all metric names. @default 'sd_' */
  readonly prefix?: string
  /** Labels of every metric, such as the application's name. With your own `register`, call its `setDefaultLabels` instead. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** Returns the exemplar of a call; false disables exemplars. @default the ids in the call's `traceparent` header, if sampled */
  readonly exemplar?: ExemplarSource | false
  /**
   * At the limit, a series that has not changed for this long is removed, in milliseconds. If no instance of its service was
   * ever called, it is removed after 10 s. @default 600_000
   */
  readonly idleMs?: number
}

/** {@link MetricsOptions} after validation, with all defaults filled in. */
export type ResolvedMetricsOptions = Readonly<Required<Omit<MetricsOptions, 'labels'>>>

const keys = ['register', 'prefix', 'labels', 'buckets', 'exemplar', 'instanceLabels', 'maxSeries', 'idleMs', 'onError']

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveMetricsOptions(options: MetricsOptions): ResolvedMetricsOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { prefix = 'sd_', exemplar = readTraceParent } = options
  if (!/^([a-zA-Z_][a-zA-Z0-9_]*)?$/.test(checkText('prefix', prefix, 64))) {
    throw invalidError('prefix', prefix, 'letters, digits and underscores')
  }
  return {
    register: readRegister(options),
    prefix,
    exemplar: exemplar === false ? false : checkFunction('exemplar', exemplar),
    idleMs: resolveIdleMs(options.idleMs),
    ...resolveMeasureOptions(options),
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
