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
  /** Attempts to send one notification, from 1 to 100, with growing pauses in between. @default 5 */
  readonly maxAttempts?: number
}

/** A way to tell people. */
export interface AlertChannel extends ChannelSettings {
  /**
   * Sends. Its error ends up in logs, so there must be no secret in its message.
   *
   * @throws SdError that is not `retryable`: it is not tried again; anything else is
   */
  send(notification: AlertNotification, options: SendOptions): Promise<void>
}
