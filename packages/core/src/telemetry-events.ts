import type { SdError } from './errors.ts'
import type { Ejection } from './monitor.ts'
import type { CallPriority, CircuitChange } from './policy.ts'
import type { RateLimitDecision } from './rate-limit.ts'
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
/** A call is tried again after an attempt ended. */
export const callRetryChannel = 'sd:v1:call:retry'
/** A call is made once more while an attempt is still under way. */
export const callHedgeChannel = 'sd:v1:call:hedge'
/** A call shares the response of an identical one under way. It has a start and an end like any other, both told when it has ended, and no attempt. */
export const callCollapseChannel = 'sd:v1:call:collapse'
/** A policy refused a call, or one more attempt of it. */
export const callRefusedChannel = 'sd:v1:call:refused'
/** A fallback stood in for a call that failed. */
export const callFallbackChannel = 'sd:v1:call:fallback'
/** A circuit breaker changed its state. */
export const breakerStateChannel = 'sd:v1:breaker:state'
/** A rate limiter decided. */
export const rateLimitChannel = 'sd:v1:rate-limit:decision'
/** A server refused a request, or cut one. */
export const serverRefusedChannel = 'sd:v1:server:refused'
/** A monitor took an endpoint out of its cluster, or put it back. */
export const endpointEjectionChannel = 'sd:v1:endpoint:ejection'
/** A cluster began or ended to use all of its endpoints because too few are well. */
export const clusterPanicChannel = 'sd:v1:cluster:panic'
/** An active health check ended. */
export const healthCheckChannel = 'sd:v1:health:check'
/** A configuration took over a new version, or refused one. */
export const configUpdateChannel = 'sd:v1:config:update'
/** A fault was injected into an attempt or a request, for a drill. */
export const faultInjectedChannel = 'sd:v1:fault:injected'

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
  /** Status code of gRPC, for calls of gRPC that were answered; `status` is the HTTP status that is nearest. */
  readonly grpcStatus?: number | undefined
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

/** Payload of {@link callRetryChannel}. */
export interface CallRetryEvent extends CallStartEvent {
  /** Number of the attempt that ended, from 1. */
  readonly attempt: number
  /** Time until the next one, in milliseconds. */
  readonly delayMs: number
  /** Status of the response that was not good enough, if there was one. */
  readonly status?: number | undefined
  /** How the attempt failed, if it did. */
  readonly error?: SdError | undefined
}

/** Payload of {@link callHedgeChannel}. */
export interface CallHedgeEvent extends CallStartEvent {
  /** Number of the attempt that begins, from 2. */
  readonly attempt: number
  /** Time since the attempt before began, in milliseconds. */
  readonly afterMs: number
}

/** A policy that can refuse. */
export type RefusingPolicy = 'rate-limit' | 'concurrency-limit' | 'breaker' | 'instance-breaker'

/** Payload of {@link callRefusedChannel}. */
export interface CallRefusedEvent extends CallStartEvent {
  /** What kind of policy it was. */
  readonly policy: RefusingPolicy
  /** Its name. */
  readonly name: string
}

/** Payload of {@link callFallbackChannel}. */
export interface CallFallbackEvent extends CallStartEvent {
  /** What the call failed with. */
  readonly error: SdError
}

/** Payload of {@link breakerStateChannel}. */
export interface BreakerStateEvent extends CircuitChange {
  /** Name of the breaker. */
  readonly breaker: string
}

/** Payload of {@link rateLimitChannel}. */
export interface RateLimitEvent {
  /** Name of the limiter. */
  readonly limiter: string
  /** What it decided. The key is not told: it may be a secret. */
  readonly decision: RateLimitDecision
}

/**
 * What refused a request at a server: the caller's rate, the places for work or for streams, the caller's deadline, which was over; or a body that
 * did not come.
 */
export type ServerRefusalReason = 'rate-limit' | 'concurrency-limit' | 'streams' | 'deadline' | 'body'

/** Payload of {@link serverRefusedChannel}. */
export interface ServerRefusedEvent {
  /** Name of the server. */
  readonly server: string
  /** What refused it. */
  readonly reason: ServerRefusalReason
  /** HTTP method of the request. Nothing else of it is told: it may come from a stranger. */
  readonly method: string
  /** How much the request mattered, if that was known. */
  readonly priority?: CallPriority | undefined
}

/** Payload of {@link endpointEjectionChannel}. */
export interface EndpointEjectionEvent {
  /** Name of the service. */
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** Origin of the instance, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** Name of the monitor. */
  readonly monitor: string
  /** Why it is out; absent when it was put back. */
  readonly ejection?: Ejection | undefined
}

/** Payload of {@link clusterPanicChannel}. */
export interface ClusterPanicEvent {
  /** Name of the service. */
  readonly service: string
  /** Whether all endpoints are used now. */
  readonly isPanic: boolean
  /** Share of endpoints that are well, from 0 to 1. */
  readonly healthyShare: number
}

/** Payload of {@link healthCheckChannel}. */
export interface HealthCheckEvent {
  /** Name of the check. */
  readonly check: string
  /** Service of the instance that was checked. */
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** How it failed; absent on success. */
  readonly error?: SdError | undefined
  /** When it ended, in Unix milliseconds. */
  readonly checkedAtMs: number
  /** The verdict after it: one failure does not change it. */
  readonly status: 'healthy' | 'unhealthy' | 'unknown'
  /** Since when the verdict is this one, in Unix milliseconds. */
  readonly sinceMs: number
}

/** Payload of {@link faultInjectedChannel}. */
export interface FaultInjectedEvent {
  /** Service that is called, or that serves. */
  readonly service: string
  /** Name of the rule; `header` if the request asked for it. */
  readonly rule: string
  /** What is injected. */
  readonly faults: readonly ('delay' | 'error' | 'cut')[]
  /** Where. */
  readonly side: 'client' | 'server'
  /** Instance that the attempt goes to, at the client. */
  readonly instanceId?: string | undefined
}

/** Payload of {@link configUpdateChannel}. No value is in it. */
export interface ConfigUpdateEvent {
  /** Name of the configuration. */
  readonly config: string
  /** The version that counts now. */
  readonly version: number
  /** Paths of the values that changed, at most 1,000; none when it was refused. */
  readonly changed: readonly string[]
  /** How long it took to read, decrypt, merge and validate, in milliseconds. */
  readonly durationMs: number
  /** Why it was refused; absent on success. */
  readonly error?: SdError | undefined
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
  /** A call is tried again. */
  readonly [callRetryChannel]: CallRetryEvent
  /** A call is made once more meanwhile. */
  readonly [callHedgeChannel]: CallHedgeEvent
  /** A call shares the response of another one. */
  readonly [callCollapseChannel]: CallStartEvent
  /** A policy refused. */
  readonly [callRefusedChannel]: CallRefusedEvent
  /** A fallback stood in. */
  readonly [callFallbackChannel]: CallFallbackEvent
  /** A circuit breaker changed its state. */
  readonly [breakerStateChannel]: BreakerStateEvent
  /** A rate limiter decided. */
  readonly [rateLimitChannel]: RateLimitEvent
  /** A server refused. */
  readonly [serverRefusedChannel]: ServerRefusedEvent
  /** An endpoint was taken out or put back. */
  readonly [endpointEjectionChannel]: EndpointEjectionEvent
  /** A panic began or ended. */
  readonly [clusterPanicChannel]: ClusterPanicEvent
  /** An active health check ended. */
  readonly [healthCheckChannel]: HealthCheckEvent
  /** A configuration took over a new version, or refused one. */
  readonly [configUpdateChannel]: ConfigUpdateEvent
  /** See {@link faultInjectedChannel}. */
  readonly [faultInjectedChannel]: FaultInjectedEvent
}
