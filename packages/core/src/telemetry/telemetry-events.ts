import type { Ejection } from '../balancing/monitor.ts'
import type { SdError } from '../errors.ts'
import type { ServiceSnapshot, SnapshotChange } from '../instance/snapshot.ts'
import type { CallPriority } from '../policy/admission.ts'
import type { CircuitChange } from '../policy/circuit-breaker.ts'
import type { RateLimitDecision } from '../policy/rate-limit.ts'
import type { ConnectionState, RegistrationState } from '../registry/registry.ts'

/** Payload of `sd:v1:backend:state`. */
export interface BackendStateEvent {
  /** Name of the registry, configuration source, lock or limiter. */
  readonly backend: string
  /** The new state. */
  readonly state: ConnectionState
  /** Why, when disconnected. */
  readonly error?: SdError | undefined
}

/** Payload of `sd:v1:backend:operation`. */
export interface BackendOperationEvent {
  /** Name of the registry, configuration source or lock. */
  readonly backend: string
  /** What was done, such as `getInstances`. */
  readonly operation: string
  /** Which service, where there is one. */
  readonly service?: string | undefined
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** How it failed; absent on success. */
  readonly error?: SdError | undefined
}

/** Payload of `sd:v1:registration:state`. */
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

/** Payload of `sd:v1:discovery:update`. */
export interface DiscoveryUpdateEvent {
  /** The service. */
  readonly service: string
  /** Everything that is known now. */
  readonly snapshot: ServiceSnapshot
  /** What differs from before; empty when only staleness changed. */
  readonly change: SnapshotChange
}

/** Payload of `sd:v1:call:start`. The same `call` object is in every event of one call. */
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

/** Payload of `sd:v1:call:end` and, with endpoint and attempt, of `sd:v1:attempt:end`. */
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

/** Payload of `sd:v1:attempt:end`. */
export interface AttemptEndEvent extends CallEndEvent {
  /** Id of the instance. */
  readonly instanceId: string
  /** Origin of the instance, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** From send to response headers, in milliseconds; absent if there were none. */
  readonly latencyMs?: number | undefined
}

/** Payload of `sd:v1:call:retry`. */
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

/** Payload of `sd:v1:call:hedge`. */
export interface CallHedgeEvent extends CallStartEvent {
  /** Number of the attempt that begins, from 2. */
  readonly attempt: number
  /** Time since the attempt before began, in milliseconds. */
  readonly afterMs: number
}

/** A policy that can refuse. */
export type RefusingPolicy = 'rate-limit' | 'concurrency-limit' | 'breaker' | 'instance-breaker'

/** Payload of `sd:v1:call:refused`. */
export interface CallRefusedEvent extends CallStartEvent {
  /** What kind of policy it was. */
  readonly policy: RefusingPolicy
  /** Its name. */
  readonly name: string
}

/** Payload of `sd:v1:call:fallback`. */
export interface CallFallbackEvent extends CallStartEvent {
  /** What the call failed with. */
  readonly error: SdError
}

/** Payload of `sd:v1:breaker:state`. */
export interface BreakerStateEvent extends CircuitChange {
  /** Name of the breaker. */
  readonly breaker: string
}

/** Payload of `sd:v1:rate-limit:decision`. */
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

/** Payload of `sd:v1:server:refused`. */
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

/** Payload of `sd:v1:endpoint:ejection`. */
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

/** Payload of `sd:v1:cluster:panic`. */
export interface ClusterPanicEvent {
  /** Name of the service. */
  readonly service: string
  /** Whether all endpoints are used now. */
  readonly isPanic: boolean
  /** Share of endpoints that are well, from 0 to 1. */
  readonly healthyShare: number
}

/** Payload of `sd:v1:health:check`. */
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
  readonly since: number
}

/** Payload of `sd:v1:fault:injected`. */
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

/** Payload of `sd:v1:config:update`. No value is in it. */
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
  /** The connection to a backend changed its state. */
  readonly 'sd:v1:backend:state': BackendStateEvent
  /** One operation on a backend ended. */
  readonly 'sd:v1:backend:operation': BackendOperationEvent
  /** A registration changed its state. */
  readonly 'sd:v1:registration:state': RegistrationStateEvent
  /** Instances or their staleness changed. */
  readonly 'sd:v1:discovery:update': DiscoveryUpdateEvent
  /** A logical call started. */
  readonly 'sd:v1:call:start': CallStartEvent
  /** A logical call ended. */
  readonly 'sd:v1:call:end': CallEndEvent
  /** One attempt ended. */
  readonly 'sd:v1:attempt:end': AttemptEndEvent
  /** A call is tried again. */
  readonly 'sd:v1:call:retry': CallRetryEvent
  /** A call is made once more meanwhile. */
  readonly 'sd:v1:call:hedge': CallHedgeEvent
  /** A call shares the response of another one. */
  readonly 'sd:v1:call:collapse': CallStartEvent
  /** A policy refused. */
  readonly 'sd:v1:call:refused': CallRefusedEvent
  /** A fallback stood in. */
  readonly 'sd:v1:call:fallback': CallFallbackEvent
  /** A circuit breaker changed its state. */
  readonly 'sd:v1:breaker:state': BreakerStateEvent
  /** A rate limiter decided. */
  readonly 'sd:v1:rate-limit:decision': RateLimitEvent
  /** A server refused. */
  readonly 'sd:v1:server:refused': ServerRefusedEvent
  /** An endpoint was taken out or put back. */
  readonly 'sd:v1:endpoint:ejection': EndpointEjectionEvent
  /** A panic began or ended. */
  readonly 'sd:v1:cluster:panic': ClusterPanicEvent
  /** An active health check ended. */
  readonly 'sd:v1:health:check': HealthCheckEvent
  /** A configuration took over a new version, or refused one. */
  readonly 'sd:v1:config:update': ConfigUpdateEvent
  /** A fault was injected into an attempt or a request, for a drill. */
  readonly 'sd:v1:fault:injected': FaultInjectedEvent
}
