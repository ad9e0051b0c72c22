import { type Channel, channel } from 'node:diagnostics_channel'
import { guardListener } from '../async/listener.ts'
import type { SdError } from '../errors.ts'
import type { TelemetryEvents } from './telemetry-events.ts'

/** Name of a telemetry channel. */
export type TelemetryChannel = keyof TelemetryEvents

// Held here because diagnostics_channel keeps channels weakly: hot paths must not look them up by name.
const channels = new Map<TelemetryChannel, Channel>()

function getChannel(name: TelemetryChannel): Channel {
  const found = channels.get(name)
  if (found) return found
  const made = channel(name)
  channels.set(name, made)
  return made
}

/** Whether anybody listens, for callers that want to spare themselves making the payload. */
export function hasTelemetrySubscribers(name: TelemetryChannel): boolean {
  return getChannel(name).hasSubscribers
}

/** Publishes an event; costs one property read when nobody listens. */
export function publishTelemetry<Name extends TelemetryChannel>(name: Name, event: TelemetryEvents[Name]): void {
  const target = getChannel(name)
  if (target.hasSubscribers) target.publish(event)
}

/**
 * Subscribes to a channel. A listener that throws or rejects can't hurt the publisher: its error goes to `onError`. (A listener that
 * subscribes to the raw channel and throws ends the process.)
 *
 * @param onError gets an error `SD_LISTENER_FAILED` with what the listener failed with as its cause. @default warns, see {@link guardListener}
 * @returns a function that ends the subscription
 */
export function subscribeTelemetry<Name extends TelemetryChannel>(
  name: Name,
  listener: (event: TelemetryEvents[Name]) => void,
  onError?: (error: SdError) => void,
): () => void {
  const target = getChannel(name)
  const tell = guardListener(`listener of ${name}`, listener, onError)
  const guarded = (event: unknown): void => tell(event as TelemetryEvents[Name])
  target.subscribe(guarded)
  return () => target.unsubscribe(guarded)
}
