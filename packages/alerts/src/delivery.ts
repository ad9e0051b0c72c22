import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkName,
  createBackoff,
  delayBeforeRetry,
  SdError,
  settlesWithin,
  sleep,
  toSdError,
  withTimeout,
} from '@sd/core'
import type { Alert } from './alert.ts'
import type { AlertChannel } from './channel.ts'
import { createWaitingAlerts, maxWaiting, type WaitingAlert } from './waiting-alerts.ts'

/** State of a channel, with numbers of alerts since the start. */
export interface ChannelStatus {
  /** Name of the channel. */
  readonly name: string
  /** Alerts waiting for the first or another attempt. */
  readonly waiting: number
  /** Alerts sent. */
  readonly sent: number
  /** Alerts that were rejected, or not sent in `maxAttempts` attempts. They stay pending. */
  readonly failed: number
  /** Alerts dropped because the queue was full, or on close. */
  readonly dropped: number
}

/** Sends to one channel, independently of everything else. */
export interface Delivery {
  /** Current state. */
  readonly status: ChannelStatus
  /** Queues an alert. Replaces a pending state of the same alert: only the last state matters. */
  enqueue(alert: Alert): void
  /** Sends pending alerts for at most `limitMs`, then drops them. */
  close(limitMs: number): Promise<void>
}

/** Starts deliveries to a channel. @throws SdError `SD_INVALID` that names the field */
export function createDelivery(field: string, channel: AlertChannel, onError: (error: SdError) => void): Delivery {
  const name = checkName(`${field}.name`, channel?.name)
  checkFunction(`${field}.send`, channel.send)
  const timeoutMs = checkDuration(`${field}.timeoutMs`, channel.timeoutMs ?? 10_000, 1)
  const maxAttempts = checkInteger(`${field}.maxAttempts`, channel.maxAttempts ?? 5, { min: 1, max: 100 })
  const waiting = createWaitingAlerts()
  const closing = new AbortController()
  const count = { sent: 0, failed: 0, dropped: 0 }
  let draining: Promise<void> | undefined
  let wake: () => void = () => undefined

  async function drain(): Promise<void> {
    // All alerts of one evaluation are sent together.
    await undefined
    const backoff = createBackoff({ baseMs: 1_000, maxMs: 60_000 })
    let failures = 0
    while (waiting.size > 0 && !closing.signal.aborted) {
      const batch = waiting.dueBatch()
      if (batch.length === 0) {
        await untilDue()
        continue
      }
      const error = await attempt(batch)
      if (!error) {
        backoff.reset()
        failures = 0
      } else if (!error.retryable) {
        if (waiting.postpone(batch, error.retryAfterMs) === 'first') fail(1, error)
      } else if (!closing.signal.aborted) {
        failures++
        if (failures === maxAttempts) fail(batch.length, error)
        await sleep(delayBeforeRetry(backoff, error), closing.signal, true).catch(() => undefined)
      }
    }
    draining = undefined
  }

  /** Waits until the first rejected alert is due, or a new alert arrives. */
  async function untilDue(): Promise<void> {
    const woken = new AbortController()
    wake = () => woken.abort()
    const either = AbortSignal.any([woken.signal, closing.signal])
    await sleep(Math.max(1, waiting.nextDueAt() - performance.now()), either).catch(() => undefined)
  }

  /** Sends once. @returns the error on failure */
  async function attempt(batch: readonly WaitingAlert[]): Promise<SdError | undefined> {
    const alerts = batch.map(({ alert }) => alert)
    try {
      const { signal } = closing
      await withTimeout({ timeoutMs, what: `Channel ${name}`, signal }, (own) => channel.send({ alerts }, { signal: own }))
    } catch (caught) {
      return toSdError(caught, 'SD_UNAVAILABLE', `Channel ${name}`)
    }
    count.sent += batch.length
    waiting.remove(batch)
    return undefined
  }

  function fail(number: number, error: SdError): void {
    count.failed += number
    onError(error)
  }

  function drop(number: number, why: string): void {
    count.dropped += number
    onError(new SdError('SD_REJECTED', `Channel ${name} dropped ${number} alerts: ${why}`))
  }

  return {
    get status() {
      return { name, waiting: waiting.size, ...count }
    },
    enqueue(alert) {
      if (!waiting.put(alert)) drop(1, `more than ${maxWaiting} are waiting`)
      wake()
      draining ??= drain()
    },
    async close(limitMs) {
      if (draining) await settlesWithin(draining, limitMs)
      closing.abort()
      await draining
      if (waiting.size > 0) drop(waiting.size, 'closed before they were sent')
      waiting.clear()
    },
  }
}
