import { checkDuration, checkFunction, checkKnownKeys, checkObject, guardListener, type SdError } from '@sd/core'
import type { AlertChannel } from './channel.ts'
import type { MetricSource } from './metric-source.ts'
import type { AlertRule } from './rule.ts'

/** Options of {@link createAlerts}. */
export interface AlertsOptions {
  /** Where samples come from. */
  readonly source: MetricSource
  /** When to alert. @default none yet */
  readonly rules?: readonly AlertRule[]
  /** Who is told. @default nobody: `state()` and listeners still tell */
  readonly channels?: readonly AlertChannel[]
  /** Time between two evaluations, in milliseconds. @default 15_000 */
  readonly intervalMs?: number
  /** After how long channels are told again of what still fires, in milliseconds. @default 14_400_000, 4 hours */
  readonly repeatIntervalMs?: number
  /** How long reading the samples may take, in milliseconds. @default 10_000 */
  readonly collectTimeoutMs?: number
  /** How long {@link Alerts.close} waits for what is to be sent, in milliseconds. @default 5_000 */
  readonly closeTimeoutMs?: number
  /** Told when samples can't be read, and when channels fail. @default writes to stderr */
  readonly onError?: (error: SdError) => void
}

/** Checked {@link AlertsOptions} with defaults; channels and rules are checked where they are used. */
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

/** Checks options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
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
