import type { SdError } from '@sd/core'
import {
  type Alert,
  type AlertChannel,
  type Alerts,
  type AlertsOptions,
  createAlerts,
  describeAlert,
  type MetricSample,
  type ThresholdRule,
} from '../index.ts'

/** Alerts on samples that a test sets, with one recording channel. */
export interface World {
  readonly alerts: Alerts
  /** Alerts that the channel `team` received, in one line each; cleared by reading. */
  received(): string[]
  /** Errors that `onError` received. */
  readonly errors: SdError[]
  /** Sets the value of `errors` for services; other services are removed. */
  set(values: Readonly<Record<string, number>>): void
  /** Makes the source throw this error. */
  breakSource(error: Error | undefined): void
}

export const perService: ThresholdRule = {
  name: 'errors',
  metric: 'errors',
  condition: '>',
  threshold: 5,
  groupBy: ['service'],
  durationMs: 30_000,
  severity: 'critical',
}

export function createWorld(options: Partial<AlertsOptions> = {}, send?: AlertChannel['send']): World {
  const errors: SdError[] = []
  const sent: Alert[] = []
  let samples: MetricSample[] = []
  let failure: Error | undefined
  const channel: AlertChannel = {
    name: 'team',
    send:
      send ??
      (async ({ alerts }) => {
        sent.push(...alerts)
      }),
  }
  const alerts = createAlerts({
    source() {
      if (failure) throw failure
      return samples
    },
    rules: [perService],
    channels: [channel],
    intervalMs: 10_000,
    onError: (error) => errors.push(error),
    ...options,
  })
  return {
    alerts,
    errors,
    received: () => sent.splice(0).map(describeAlert),
    set(values) {
      samples = Object.entries(values).map(([service, value]) => ({ name: 'errors', labels: { service, pod: 'p1' }, value }))
    },
    breakSource(error) {
      failure = error
    },
  }
}
