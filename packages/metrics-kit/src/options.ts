import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkNumber,
  guardListener,
  invalidError,
  type TelemetryEvents,
} from '@sd/core'

/** Options that every metrics package has. */
export interface MeasureOptions {
  /** Upper bounds of all latency buckets, in seconds, ascending. @default 1 ms to 30 s in 14 steps */
  readonly buckets?: readonly number[]
  /** Adds the label `instance_id` to attempts, ejections, health checks and breakers. @default false */
  readonly instanceLabels?: boolean
  /**
   * Maximum number of series per metric, not counting a histogram's buckets. New series beyond it are counted under `other` in
   * all labels until idle series are removed. @default 1_000
   */
  readonly maxSeries?: number
  /** Receives failures that have no caller. Its own exceptions are dropped. @default ignored */
  readonly onError?: (error: unknown) => void
}

/** {@link MeasureOptions} after validation, with all defaults filled in. */
export type ResolvedMeasureOptions = Readonly<Required<MeasureOptions>>

/** Options of the recorder. */
export interface RecorderOptions extends ResolvedMeasureOptions {
  /**
   * At the limit, a series that has not changed for this long is removed, in milliseconds. If no instance of its service was
   * ever called, it is removed after 10 s. `undefined`: none is removed, because the sink can't forget it.
   */
  readonly idleMs: number | undefined
  /** Returns the exemplar of a completed call or attempt. It must not throw. @default none */
  readonly exemplarOf?: (event: TelemetryEvents['sd:v1:call:end']) => Readonly<Record<string, string>> | undefined
}

const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveMeasureOptions({
  buckets = defaultBuckets,
  instanceLabels = false,
  maxSeries = 1_000,
  onError = () => {},
}: MeasureOptions): ResolvedMeasureOptions {
  return {
    buckets: checkBuckets(buckets),
    instanceLabels: checkBoolean('instanceLabels', instanceLabels),
    maxSeries: checkInteger('maxSeries', maxSeries, { min: 1, max: 1_000_000 }),
    onError: guardListener('onError', checkFunction('onError', onError)),
  }
}

/** Validates the time of {@link RecorderOptions.idleMs}. @throws SdError `SD_INVALID` */
export function resolveIdleMs(idleMs: number = 600_000): number {
  return checkDuration('idleMs', idleMs, 1)
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
