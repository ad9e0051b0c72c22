import { type Meter, type MeterProvider, metrics } from '@opentelemetry/api'
import { checkFunction, checkKnownKeys, checkObject, checkOneOf, checkText, invalidError } from '@sd/core'
import { type MeasureOptions, type ResolvedMeasureOptions, resolveMeasureOptions } from '@sd/metrics-kit'

/** Options of `createOpenTelemetryMetrics`. */
export interface OpenTelemetryMetricsOptions extends MeasureOptions {
  /** Provider of the meter. @default the provider registered with `@opentelemetry/api` at this time */
  readonly meterProvider?: MeterProvider
  /** The meter that creates the instruments, instead of one of a provider. @default the meter `@sd/metrics-opentelemetry` */
  readonly meter?: Meter
  /**
   * Prefix of all names, in the way of OpenTelemetry: letters, digits, dots and underscores.
   *
   * @default 'sd.'
   */
  readonly prefix?: string
  /**
   * Names of the instruments. `opentelemetry`: `sd.call.duration`, with the unit beside it; a collector and the OTLP receiver of
   * Prometheus make `sd_call_duration_seconds` of it. `prometheus`: `sd_call_duration_seconds` at once, for exporters that do not
   * add units to names, such as `@opentelemetry/exporter-prometheus`.
   *
   * @default 'opentelemetry'
   */
  readonly names?: 'opentelemetry' | 'prometheus'
}

/** Options with their defaults filled in. */
export interface ResolvedOpenTelemetryMetricsOptions extends ResolvedMeasureOptions {
  /** Creates the instruments. */
  readonly meter: Meter
  /** See {@link OpenTelemetryMetricsOptions.prefix}. */
  readonly prefix: string
  /** See {@link OpenTelemetryMetricsOptions.names}. */
  readonly names: 'opentelemetry' | 'prometheus'
}

const keys = ['meterProvider', 'meter', 'prefix', 'names', 'buckets', 'instanceLabels', 'maxSeries', 'onError']

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveOpenTelemetryMetricsOptions(options: OpenTelemetryMetricsOptions): ResolvedOpenTelemetryMetricsOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { prefix = 'sd.', names = 'opentelemetry' } = options
  // The specification begins names of instruments with a letter.
  if (!/^([a-zA-Z][a-zA-Z0-9_.]*)?$/.test(checkText('prefix', prefix, 64))) {
    throw invalidError('prefix', prefix, 'letters, digits, dots and underscores, beginning with a letter')
  }
  return {
    ...resolveMeasureOptions(options),
    meter: readMeter(options),
    prefix,
    names: checkOneOf('names', names, ['opentelemetry', 'prometheus']),
  }
}

function readMeter({ meter, meterProvider }: OpenTelemetryMetricsOptions): Meter {
  if (meter === undefined) {
    const provider = meterProvider ?? metrics
    checkFunction('meterProvider.getMeter', provider.getMeter)
    return provider.getMeter('@sd/metrics-opentelemetry')
  }
  if (meterProvider !== undefined) throw invalidError('meterProvider', meterProvider, 'no provider together with a meter')
  checkFunction('meter.createHistogram', checkObject('meter', meter)['createHistogram'] as Meter['createHistogram'])
  return meter
}
