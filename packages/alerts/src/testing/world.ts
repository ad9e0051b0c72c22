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

/** Alerts over samples that a test sets, with one channel that remembers. */
export interface World {
  readonly alerts: Alerts
  /** What the channel `team` was told, in one line each; emptied by reading. */
  told(): string[]
  /** What `onError` was told. */
  readonly errors: SdError[]
  /** Sets the value of `errors` for services; others are gone. */
  set(values: Readonly<Record<string, number>>): void
  /** What the source throws instead. */
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
    told: () => sent.splice(0).map(describeAlert),
    set(values) {
      samples = Object.entries(values).map(([service, value]) => ({ name: 'errors', labels: { service, pod: 'p1' }, value }))
    },
    breakSource(error) {
      failure = error
    },
  }
}
