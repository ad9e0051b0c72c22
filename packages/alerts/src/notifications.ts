import { invalidError, SdError } from '@sd/core'
import type { Alert, AlertState } from './alert.ts'
import type { AlertChannel } from './channel.ts'
import { type ChannelStatus, createDelivery, type Delivery } from './delivery.ts'
import { maxAlertsPerRule, type RuleEvaluator, type TrackedAlert, toAlert } from './rule-evaluator.ts'
import type { Silences } from './silences.ts'

/** Options of {@link createNotifications}. */
export interface NotificationsOptions {
  /** Channels that alerts are sent to. */
  readonly channels: readonly AlertChannel[]
  /** Interval at which channels get a firing alert again, in milliseconds. */
  readonly repeatIntervalMs: number
  /** Silences in effect. */
  readonly silences: Silences
  /** Called for every change of state. */
  readonly onChange: (alert: Alert, previous: AlertState | undefined) => void
  /** Called when alerts were omitted, and by deliveries. */
  readonly onError: (error: SdError) => void
}

/** Decides which alerts go to which channels. */
export interface Notifications {
  /** Names of the channels, in the order of the options. */
  readonly channelNames: readonly string[]
  /** State of the channels. */
  channels(): readonly ChannelStatus[]
  /** The public alerts of a rule. */
  alertsOf(evaluator: RuleEvaluator, now: number): readonly Alert[]
  /** Reports the changes of an evaluation to channels and to `onChange`. */
  settle(evaluator: RuleEvaluator, now: number): void
  /** Sends pending alerts for at most `limitMs`, then drops them. */
  close(limitMs: number): Promise<unknown>
}

/** Starts a delivery for each channel. @throws SdError `SD_INVALID` that names the field */
export function createNotifications(options: NotificationsOptions): Notifications {
  const { repeatIntervalMs, silences, onChange, onError } = options
  const deliveries = createDeliveries(options.channels, onError)

  function alertsOf({ rule, alerts }: RuleEvaluator, now: number): readonly Alert[] {
    return alerts.map((tracked) => toAlert(rule, tracked, silences.isSilenced(rule.name, tracked.labels, now)))
  }

  return {
    channelNames: [...deliveries.keys()],
    channels: () => [...deliveries.values()].map(({ status }) => status),
    alertsOf,
    settle(evaluator, now) {
      const { rule, alerts, ignoredGroups } = evaluator
      for (const tracked of alerts) {
        const alert = toAlert(rule, tracked, silences.isSilenced(rule.name, tracked.labels, now))
        if (alert.state !== tracked.previous) onChange(alert, tracked.previous)
        if (claimNotification(tracked, alert, now, repeatIntervalMs)) {
          for (const name of rule.channels ?? deliveries.keys()) deliveries.get(name)?.enqueue(alert)
        }
      }
      if (ignoredGroups > 0) {
        const message = `Rule ${rule.name} has more than ${maxAlertsPerRule} alerts, ${ignoredGroups} were ignored: group by fewer labels`
        onError(new SdError('SD_TOO_LARGE', message))
      }
    },
    close: (limitMs) => Promise.all([...deliveries.values()].map((delivery) => delivery.close(limitMs))),
  }
}

/**
 * Whether channels get the alert now; if so, this is recorded. Channels that received "firing" always receive "resolved", even during a
 * silence.
 */
function claimNotification(tracked: TrackedAlert, { state, isSilenced }: Alert, now: number, repeatIntervalMs: number): boolean {
  const { notifiedAt } = tracked
  if (state === 'firing' && !isSilenced && (notifiedAt === undefined || now - notifiedAt >= repeatIntervalMs)) {
    tracked.notifiedAt = now
    return true
  }
  if (state !== 'resolved' || notifiedAt === undefined) return false
  tracked.notifiedAt = undefined
  return true
}

function createDeliveries(channels: readonly AlertChannel[], onError: (error: SdError) => void): ReadonlyMap<string, Delivery> {
  const deliveries = new Map<string, Delivery>()
  for (const [index, channel] of channels.entries()) {
    const delivery = createDelivery(`channels[${index}]`, channel, onError)
    if (deliveries.has(channel.name)) throw invalidError(`channels[${index}].name`, channel.name, 'a unique name')
    deliveries.set(channel.name, delivery)
  }
  return deliveries
}
