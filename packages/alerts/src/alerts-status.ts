import { createHash } from 'node:crypto'
import { type AlertsAnswer, masking } from '@sd/core'
import type { Alert } from './alert.ts'
import type { ChannelStatus } from './delivery.ts'
import type { AlertRule } from './rule.ts'
import type { Silence } from './silences.ts'

/** State of rules, alerts and channels. Plain data. */
export interface AlertsStatus {
  /** All rules, including disabled ones. */
  readonly rules: readonly AlertRule[]
  /** All alerts that are not inactive. */
  readonly alerts: readonly Alert[]
  /** State of the channels. */
  readonly channels: readonly ChannelStatus[]
  /** Time of the last evaluation, in Unix milliseconds. */
  readonly evaluatedAt?: number
}

/** The state of rules, alerts, channels and silences as plain data, for inquiries. */
export function answerAlerts({ rules, alerts, channels, evaluatedAt }: AlertsStatus, silences: readonly Silence[]): AlertsAnswer {
  return {
    rules: rules.map((rule) => ({
      name: rule.name,
      metric: rule.metric,
      condition: rule.condition,
      ...('threshold' in rule && { threshold: rule.threshold }),
      ...(rule.durationMs !== undefined && { durationMs: rule.durationMs }),
      severity: rule.severity ?? 'warning',
      ...(rule.channels && { channels: rule.channels }),
      enabled: rule.enabled ?? true,
    })),
    alerts: alerts.map(({ id, metadata: _forChannels, labels, value, ...alert }) => ({
      ...alert,
      // The id contains the labels, which may be secret.
      id: createHash('sha256').update(id).digest('hex').slice(0, 16),
      labels: Object.fromEntries(Object.entries(labels).map(([name, text]) => [name, masking.text(text)])),
      // JSON has no infinity.
      ...(value !== undefined && Number.isFinite(value) && { value }),
    })),
    channels: channels.map(({ name, waiting, sent, failed, dropped }) => ({ name, waiting, sent, failed, dropped })),
    silences: silences.map(({ comment, ...silence }) => ({ ...silence, comment: masking.text(comment) })),
    ...(evaluatedAt !== undefined && { evaluatedAt }),
  }
}
