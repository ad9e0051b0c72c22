import type { Alert } from './alert.ts'

/** One notification: alerts that started to fire, still fire, or are resolved. */
export interface AlertNotification {
  /** 1 to 100 alerts. */
  readonly alerts: readonly Alert[]
}

/** Options of {@link AlertChannel.send}. */
export interface SendOptions {
  /** Aborts when the attempt exceeds `timeoutMs`, and on close. */
  readonly signal: AbortSignal
}

/** Name and limits of a channel. */
export interface ChannelSettings {
  /** Unique name, used by rules. */
  readonly name: string
  /** Time limit of one attempt, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  /** Consecutive failures, 1 to 100, after which `onError` is called. Sending continues, and pending alerts are kept. @default 5 */
  readonly maxAttempts?: number
}

/** A channel for notifications. */
export interface AlertChannel extends ChannelSettings {
  /**
   * Sends a notification. Errors are logged, so their messages must not contain secrets.
   *
   * @throws SdError that is not `retryable`: each alert is retried alone, after minutes. Any other error: retried soon, not
   * before its `retryAfterMs`
   */
  send(notification: AlertNotification, options: SendOptions): Promise<void>
}
