import { checkDuration, checkFunction, checkKnownKeys, checkObject, guardListener, type SdError } from '@sd/core'
import type { AlertChannel } from './channel.ts'
import type { MetricSource } from './metric-source.ts'
import type { AlertRule } from './rule.ts'

/** Options of {@link createAlerts}. */
export interface AlertsOptions {
  /** Source of the samples. */
  readonly source: MetricSource
  /** Alert rules. @default none */
  readonly rules?: readonly AlertRule[]
  /** Channels for notifications. @default none: `state()` and listeners still report alerts */
  readonly channels?: readonly AlertChannel[]
  /** Time between two evaluations, in milliseconds. @default 15_000 */
  readonly intervalMs?: number
  /** Interval at which channels get a firing alert again, in milliseconds. @default 14_400_000, 4 hours */
  readonly repeatIntervalMs?: number
  /** Time limit for reading the samples, in milliseconds. @default 10_000 */
  readonly collectTimeoutMs?: number
  /** Time that {@link Alerts.close} waits for pending notifications, in milliseconds. @default 5_000 */
  readonly closeTimeoutMs?: number
  /** Receives failures to read samples, and failures of channels. @default writes to stderr */
  readonly onError?: (error: SdError) => void
}

/** {@link AlertsOptions} with defaults filled in. Channels and rules are validated where they are used. */
export type ResolvedAlertsOptions = Required<AlertsOptions>

const keys = [
  'source',
  'rules',
  'channels',
  'intervalMs',
  'repeatIntervalMs',
  'collectTimeoutMs',
  'closeTimeoutMs',
  'onError',
] as const

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveAlertsOptions(options: AlertsOptions): ResolvedAlertsOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  return {
    source: checkFunction('source', options.source),
    rules: options.rules ?? [],
    channels: options.channels ?? [],
    onError: guardListener(
      'onError',
      checkFunction('onError', options.onError ?? ((error) => process.stderr.write(`${error.message}\n`))),
    ),
    intervalMs: checkDuration('intervalMs', options.intervalMs ?? 15_000, 1),
    repeatIntervalMs: checkDuration('repeatIntervalMs', options.repeatIntervalMs ?? 4 * 3_600_000, 1),
    collectTimeoutMs: checkDuration('collectTimeoutMs', options.collectTimeoutMs ?? 10_000, 1),
    closeTimeoutMs: checkDuration('closeTimeoutMs', options.closeTimeoutMs ?? 5_000),
  }
}
