import type { Alert } from './alert.ts'

/** What a channel is told at once: alerts that began to fire, fire still, or are resolved. */
export interface AlertNotification {
  /** At least one, at most 100. */
  readonly alerts: readonly Alert[]
}

/** Options of {@link AlertChannel.send}. */
export interface SendOptions {
  /** Fires when it takes too long, or all is closed. */
  readonly signal: AbortSignal
}

/** Name and limits of a channel. */
export interface ChannelSettings {
  /** Its name, unique; rules refer to it. */
  readonly name: string
  /** Limit of one attempt to send, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  /** Failed attempts in a row, from 1 to 100, after which `onError` is told. Sending goes on: what is owed is kept. @default 5 */
  readonly maxAttempts?: number
}

/** A way to tell people. */
export interface AlertChannel extends ChannelSettings {
  /**
   * Sends. Its error ends up in logs, so there must be no secret in its message.
   *
   * @throws SdError that is not `retryable`: it is tried again after minutes only, alone; anything else soon, not before its `retryAfterMs`
   */
  send(notification: AlertNotification, options: SendOptions): Promise<void>
}
