import { type Channel, channel } from 'node:diagnostics_channel'
import type { SdError } from './errors.ts'
import type { CircuitChange } from './policy.ts'
import type { RegistrationState, RegistryState } from './registry.ts'
import type { ServiceSnapshot, SnapshotChange } from './snapshot.ts'

/**
 * Names of the `node:diagnostics_channel` channels, with their version. Channels are found by name, so that several installed
 * copies of this package meet. Payloads only gain fields within a version.
 */
export const registryStateChannel = 'sd:v1:registry:state'
/** One operation on a registry ended. */
export const registryOperationChannel = 'sd:v1:registry:operation'
/** A registration changed its state. */
export const registrationStateChannel = 'sd:v1:registration:state'
/** A service's instances or their staleness changed inside Discovery. */
export const discoveryUpdateChannel = 'sd:v1:discovery:update'
/** A logical call started. */
export const callStartChannel = 'sd:v1:call:start'
/** A logical call ended: its response body ended, failed or was aborted, or there was no response. */
export const callEndChannel = 'sd:v1:call:end'
/** One attempt of a call ended, likewise. */
export const attemptEndChannel = 'sd:v1:attempt:end'
/** A circuit breaker changed its state. */
export const breakerStateChannel = 'sd:v1:breaker:state'

/** Payload of {@link registryStateChannel}. */
export interface RegistryStateEvent {
  /** Name of the registry. */
  readonly registry: string
  /** The new state. */
  readonly state: RegistryState
  /** Why, when disconnected. */
  readonly error?: SdError | undefined
}

/** Payload of {@link registryOperationChannel}. */
export interface RegistryOperationEvent {
  /** Name of the registry. */
  readonly registry: string
  /** What was done, such as `getInstances`. */
  readonly operation: string
  /** Which service, where there is one. */
  readonly service?: string | undefined
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** How it failed; absent on success. */
  readonly error?: SdError | undefined
}

/** Payload of {@link registrationStateChannel}. */
export interface RegistrationStateEvent {
  /** Name of the registry. */
  readonly registry: string
  /** Service of the instance. */
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** The new state. */
  readonly state: RegistrationState
  /** Why, when not active. */
  readonly error?: SdError | undefined
}

/** Payload of {@link discoveryUpdateChannel}. */
export interface DiscoveryUpdateEvent {
  /** The service. */
  readonly service: string
  /** Everything that is known now. */
  readonly snapshot: ServiceSnapshot
  /** What differs from before; empty when only staleness changed. */
  readonly change: SnapshotChange
}

/** Payload of {@link callStartChannel}. The same `call` object is in every event of one call. */
export interface CallStartEvent {
  /** Identity of the call; plain data, never changed by subscribers. */
  readonly call: TelemetryCall
}

/** What is known of a call when it starts. */
export interface TelemetryCall {
  /** Service that is called. */
  readonly service: string
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** When it started, by `performance.now()`. */
  readonly startedAt: number
}

/** Payload of {@link callEndChannel} and, with endpoint and attempt, of {@link attemptEndChannel}. */
export interface CallEndEvent extends CallStartEvent {
  /** Status of the response, if there was one. */
  readonly status?: number | undefined
  /** How it failed, if it did. */
  readonly error?: SdError | undefined
  /** From start to the end of the body, in milliseconds. */
  readonly durationMs: number
  /** Number of attempts so far; on the attempt channel, this attempt's number, from 1. */
  readonly attempts: number
}

/** Payload of {@link attemptEndChannel}. */
export interface AttemptEndEvent extends CallEndEvent {
  /** Id of the instance. */
  readonly instanceId: string
  /** Origin of the instance, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** From send to response headers, in milliseconds; absent if there were none. */
  readonly latencyMs?: number | undefined
}

/** Payload of {@link breakerStateChannel}. */
export interface BreakerStateEvent extends CircuitChange {
  /** Name of the breaker. */
  readonly breaker: string
}

/** Which payload is published on which channel. */
export interface TelemetryEvents {
  /** The connection of a registry changed. */
  readonly [registryStateChannel]: RegistryStateEvent
  /** One operation on a registry ended. */
  readonly [registryOperationChannel]: RegistryOperationEvent
  /** A registration changed its state. */
  readonly [registrationStateChannel]: RegistrationStateEvent
  /** Instances or their staleness changed. */
  readonly [discoveryUpdateChannel]: DiscoveryUpdateEvent
  /** A logical call started. */
  readonly [callStartChannel]: CallStartEvent
  /** A logical call ended. */
  readonly [callEndChannel]: CallEndEvent
  /** One attempt ended. */
  readonly [attemptEndChannel]: AttemptEndEvent
  /** A circuit breaker changed its state. */
  readonly [breakerStateChannel]: BreakerStateEvent
}

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
 * Subscribes to a channel. A throwing listener can't hurt the publisher: its error goes to `onError`. (A listener that
 * subscribes to the raw channel and throws ends the process.)
 *
 * @param onError told of a listener's error. @default ignores it
 * @returns a function that ends the subscription
 */
export function subscribeTelemetry<Name extends TelemetryChannel>(
  name: Name,
  listener: (event: TelemetryEvents[Name]) => void,
  onError: (error: unknown) => void = () => {},
): () => void {
  const target = getChannel(name)
  function guarded(event: unknown): void {
    try {
      listener(event as TelemetryEvents[Name])
    } catch (error) {
      onError(error)
    }
  }
  target.subscribe(guarded)
  return () => target.unsubscribe(guarded)
}
