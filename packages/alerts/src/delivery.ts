import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkName,
  createBackoff,
  SdError,
  settlesWithin,
  sleep,
  toSdError,
  withTimeout,
} from '@sd/core'
import type { Alert } from './alert.ts'
import type { AlertChannel } from './channel.ts'

/** How a channel does. Numbers of alerts, since the start. */
export interface ChannelStatus {
  /** Its name. */
  readonly name: string
  /** Alerts that wait to be sent. */
  readonly waiting: number
  /** Alerts that were sent. */
  readonly sent: number
  /** Alerts that could not be sent, and were given up. */
  readonly failed: number
  /** Alerts that found no room, or were left when all was closed. */
  readonly dropped: number
}

/** Sends to one channel, apart from everything else. */
export interface Delivery {
  /** How it does. */
  readonly status: ChannelStatus
  /** Has an alert sent soon. What waits of the same alert is replaced: only its last state matters. */
  enqueue(alert: Alert): void
  /** Sends what waits for at most `limitMs`, then gives up. */
  close(limitMs: number): Promise<void>
}

const maxWaiting = 1_000
const maxBatch = 100

/** Starts deliveries to a channel. @throws SdError `SD_INVALID` that names the field */
export function createDelivery(field: string, channel: AlertChannel, onError: (error: SdError) => void): Delivery {
  const name = checkName(`${field}.name`, channel?.name)
  checkFunction(`${field}.send`, channel.send)
  const timeoutMs = checkDuration(`${field}.timeoutMs`, channel.timeoutMs ?? 10_000, 1)
  const maxAttempts = checkInteger(`${field}.maxAttempts`, channel.maxAttempts ?? 5, { min: 1, max: 100 })
  const waiting = new Map<string, Alert>()
  const closing = new AbortController()
  const count = { sent: 0, failed: 0, dropped: 0 }
  let draining: Promise<void> | undefined

  async function drain(): Promise<void> {
    // All alerts of one evaluation go together.
    await undefined
    while (waiting.size > 0 && !closing.signal.aborted) {
      const batch = [...waiting.values()].slice(0, maxBatch)
      for (const { id } of batch) waiting.delete(id)
      await deliver(batch)
    }
    draining = undefined
  }

  async function deliver(batch: readonly Alert[]): Promise<void> {
    const backoff = createBackoff({ baseMs: 1_000, maxMs: 60_000 })
    let alerts = batch
    for (let attempt = 1; alerts.length > 0; attempt++) {
      try {
        const { signal } = closing
        await withTimeout({ timeoutMs, what: `Channel ${name}`, signal }, (own) => channel.send({ alerts }, { signal: own }))
        count.sent += alerts.length
        return
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', `Channel ${name}`)
        if (!error.retryable || attempt >= maxAttempts) {
          count.failed += alerts.length
          onError(error)
          return
        }
      }
      await sleep(backoff.next(), closing.signal, true).catch(() => undefined)
      alerts = alerts.filter(({ id }) => !waiting.has(id))
    }
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
      waiting.delete(alert.id)
      const [oldest] = waiting.keys()
      if (oldest !== undefined && waiting.size >= maxWaiting) {
        waiting.delete(oldest)
        drop(1, `more than ${maxWaiting} wait`)
      }
      waiting.set(alert.id, alert)
      draining ??= drain()
    },
    async close(limitMs) {
      if (draining) await settlesWithin(draining, limitMs)
      closing.abort()
      await draining
      if (waiting.size > 0) drop(waiting.size, 'all was closed')
      waiting.clear()
    },
  }
}
