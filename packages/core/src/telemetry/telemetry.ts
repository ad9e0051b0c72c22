import { type Channel, channel } from 'node:diagnostics_channel'
import { guardListener } from '../async/listener.ts'
import type { SdError } from '../errors.ts'
import type { TelemetryEvents } from './telemetry-events.ts'

/** Name of a telemetry channel. */
export type TelemetryChannel = keyof TelemetryEvents

// Kept here because `diagnostics_channel` holds channels weakly, and hot paths must not look them up by name.
const channels = new Map<TelemetryChannel, Channel>()

function getChannel(name: TelemetryChannel): Channel {
  const found = channels.get(name)
  if (found) return found
  const made = channel(name)
  channels.set(name, made)
  return made
}

/** Whether a channel has subscribers. Check it before building an expensive payload. */
export function hasTelemetrySubscribers(name: TelemetryChannel): boolean {
  return getChannel(name).hasSubscribers
}

/** Publishes an event. Without subscribers it costs one property read. */
export function publishTelemetry<Name extends TelemetryChannel>(name: Name, event: TelemetryEvents[Name]): void {
  const target = getChannel(name)
  if (target.hasSubscribers) target.publish(event)
}

/**
 * Subscribes to a channel. A listener that throws or rejects does not affect the publisher: its error goes to `onError`.
 * (A subscriber of the raw channel that throws ends the process.)
 *
 * @param onError receives an `SD_LISTENER_FAILED` error whose cause is the failure. @default warns, see {@link
 * guardListener}
 * @returns a function that ends the subscription
 */
export function subscribeTelemetry<Name extends TelemetryChannel>(
  name: Name,
  listener: (event: TelemetryEvents[Name]) => void,
  onError?: (error: SdError) => void,
): () => void {
  const target = getChannel(name)
  const notify = guardListener(`listener of ${name}`, listener, onError)
  const guarded = (event: unknown): void => notify(event as TelemetryEvents[Name])
  target.subscribe(guarded)
  return () => target.unsubscribe(guarded)
}
