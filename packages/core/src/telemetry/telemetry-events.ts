import type { Ejection } from '../balancing/monitor.ts'
import type { SdError } from '../errors.ts'
import type { ServiceSnapshot, SnapshotChange } from '../instance/snapshot.ts'
import type { CallPriority } from '../policy/admission.ts'
import type { CircuitChange } from '../policy/circuit-breaker.ts'
import type { RateLimitDecision } from '../policy/rate-limit.ts'
import type { ConnectionState, RegistrationState } from '../registry/registry.ts'
import type { AlertStateEvent, ConfigWriteEvent, LockStateEvent } from './change-events.ts'
import type {
  GatewayCallEvent,
  GatewayConnectionEvent,
  GatewayExchangeEvent,
  GatewayMessagesEvent,
  GatewayRefusedEvent,
  GatewayReloadEvent,
} from './gateway-events.ts'

/** Payload of `sd:v1:backend:state`. */
export interface BackendStateEvent {
  /** Name of the registry, configuration source, lock or limiter. */
  readonly backend: string
  /** The new state. */
  readonly state: ConnectionState
  /** The error, when disconnected. */
  readonly error?: SdError | undefined
}

/** Payload of `sd:v1:backend:operation`. */
export interface BackendOperationEvent {
  /** Name of the registry, configuration source or lock. */
  readonly backend: string
  /** The operation, such as `getInstances`. */
  readonly operation: string
  /** Name of the service, if the operation has one. */
  readonly service?: string | undefined
  /** Duration in milliseconds. */
  readonly durationMs: number
  /** The error; absent on success. */
  readonly error?: SdError | undefined
}

/** Payload of `sd:v1:registration:state`. */
export interface RegistrationStateEvent {
  readonly registry: string
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** The new state. */
  readonly state: RegistrationState
  /** The error, when not active. */
  readonly error?: SdError | undefined
}

/** Payload of `sd:v1:discovery:update`. */
export interface DiscoveryUpdateEvent {
  readonly service: string
  /** The current snapshot. */
  readonly snapshot: ServiceSnapshot
  /** The difference from the previous snapshot; empty if only staleness changed. */
  readonly change: SnapshotChange
}

/** Payload of `sd:v1:call:start`. All events of a call have the same `call` object. */
export interface CallStartEvent {
  /** Identity of the call: plain data that subscribers never change. */
  readonly call: TelemetryCall
}

/** What is known about a call when it starts. */
export interface TelemetryCall {
  readonly service: string
  /** HTTP method in upper case. */
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** When it started, by `performance.now()`. */
  readonly startedAt: number
}

/** Payload of `sd:v1:call:end` and, with endpoint and attempt, of `sd:v1:attempt:end`. */
export interface CallEndEvent extends CallStartEvent {
  /** Status of the response, if there was one. */
  readonly status?: number | undefined
  /** gRPC status code, for gRPC calls with a response; `status` is then the nearest HTTP status. */
  readonly grpcStatus?: number | undefined
  /** The error, if it failed. */
  readonly error?: SdError | undefined
  /** Time from start to the end of the body, in milliseconds. */
  readonly durationMs: number
  /** Number of attempts so far. On the attempt channel: number of this attempt, starting at 1. */
  readonly attempts: number
}

/** Payload of `sd:v1:attempt:end`. */
export interface AttemptEndEvent extends CallEndEvent {
  /** Id of the instance. */
  readonly instanceId: string
  /** Origin of the instance, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** Time from send to response headers, in milliseconds; absent if there were none. */
  readonly latencyMs?: number | undefined
}

/** Payload of `sd:v1:call:retry`. */
export interface CallRetryEvent extends CallStartEvent {
  /** Number of the failed attempt, starting at 1. */
  readonly attempt: number
  /** Time until the next attempt, in milliseconds. */
  readonly delayMs: number
  /** Status of the response that is retried, if there was one. */
  readonly status?: number | undefined
  /** The error of the attempt, if it failed. */
  readonly error?: SdError | undefined
}

/** Payload of `sd:v1:call:hedge`. */
export interface CallHedgeEvent extends CallStartEvent {
  /** Number of the new attempt, starting at 2. */
  readonly attempt: number
  /** Time since the previous attempt began, in milliseconds. */
  readonly afterMs: number
}

/** Payload of `sd:v1:call:hedged`. */
export interface CallHedgedEvent extends CallStartEvent {
  /** The attempt whose response is used: the first, a later one, or none because all failed. */
  readonly winner: 'first' | 'hedge' | 'none'
}

/** A policy that can refuse a call. */
export type RefusingPolicy = 'rate-limit' | 'concurrency-limit' | 'breaker' | 'instance-breaker'

/** Payload of `sd:v1:call:refused`. */
export interface CallRefusedEvent extends CallStartEvent {
  /** The kind of policy. */
  readonly policy: RefusingPolicy
  /** Name of the policy. */
  readonly name: string
}

/** Payload of `sd:v1:call:fallback`. */
export interface CallFallbackEvent extends CallStartEvent {
  /** The error of the call. */
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
  /** The decision. The key is omitted because it may be secret. */
  readonly decision: RateLimitDecision
}

/**
 * Why a server refused a request: the caller's rate, no free place for work or for streams, a deadline of the caller that
 * has passed, or a body that did not arrive.
 */
export type ServerRefusalReason = 'rate-limit' | 'concurrency-limit' | 'streams' | 'deadline' | 'body'

/** Payload of `sd:v1:server:refused`. */
export interface ServerRefusedEvent {
  /** Name of the server. */
  readonly server: string
  /** Reason of the refusal. */
  readonly reason: ServerRefusalReason
  /** HTTP method of the request. Nothing else is included, because the caller may be unknown. */
  readonly method: string
  /** Priority of the request, if known. */
  readonly priority?: CallPriority | undefined
}

/** Payload of `sd:v1:sticky:pick`. The key of the session is omitted because it may be secret. */
export interface StickyPickEvent {
  /** Name of the balancer. */
  readonly balancer: string
  readonly service: string
  /**
   * - `hit`: the endpoint of the session
   * - `started`: the endpoint of a new session
   * - `moved`: another endpoint from now on, because that of the session was removed or unavailable
   * - `diverted`: another endpoint once, because the call had already tried that of the session
   * - `unkeyed`: the request has no session
   */
  readonly outcome: 'hit' | 'started' | 'moved' | 'diverted' | 'unkeyed'
}

/** Payload of `sd:v1:sticky:session`. */
export interface StickySessionEvent {
  /** Name of the balancer. */
  readonly balancer: string
  readonly service: string
  /** What happened to the session; `evicted` if the table was full. */
  readonly change: 'started' | 'moved' | 'expired' | 'evicted'
}

/** Payload of `sd:v1:subset:pick`. */
export interface SubsetPickEvent {
  /** Name of the balancer. */
  readonly balancer: string
  readonly service: string
  /** The subset that the request asked for, such as its lane: empty for the base, `unknown` if no instance has it. */
  readonly subset: string
  /** Where the request goes: to the subset, to the base instead, or nowhere because no instance is available. */
  readonly outcome: 'subset' | 'base' | 'none'
}

/** Payload of `sd:v1:endpoint:ejection`. */
export interface EndpointEjectionEvent {
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** Origin of the instance, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** Name of the monitor. */
  readonly monitor: string
  /** Why it was ejected; absent when it is restored. */
  readonly ejection?: Ejection | undefined
}

/** Payload of `sd:v1:cluster:panic`. */
export interface ClusterPanicEvent {
  readonly service: string
  /** Whether all endpoints are used now. */
  readonly isPanic: boolean
  /** Share of healthy endpoints, from 0 to 1. */
  readonly healthyShare: number
}

/** Payload of `sd:v1:health:check`. */
export interface HealthCheckEvent {
  /** Name of the check. */
  readonly check: string
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** Duration in milliseconds. */
  readonly durationMs: number
  /** The error; absent on success. */
  readonly error?: SdError | undefined
  /** When it ended, in Unix milliseconds. */
  readonly checkedAt: number
  /** The verdict after this check. A single failure does not change it. */
  readonly status: 'healthy' | 'unhealthy' | 'unknown'
  /** When the verdict last changed, in Unix milliseconds. */
  readonly since: number
}

/** Payload of `sd:v1:http-cache:request`. */
export interface HttpCacheRequestEvent {
  /** Name of the cache. */
  readonly cache: string
  /** Zone and URL of the request, as a cache stores responses under it. */
  readonly key: string
  /**
   * `hit` and `stale`: a stored response was the result, without another request. `validate`: the service is asked whether a
   * stored response is valid. `miss`: the request was sent, and nothing was stored for it, or nothing that could be used.
   */
  readonly result: 'hit' | 'stale' | 'validate' | 'miss'
}

/** Payload of `sd:v1:fault:injected`. */
export interface FaultInjectedEvent {
  /** Service that is called, or that serves. */
  readonly service: string
  /** Name of the rule; `header` if the request asked for the fault. */
  readonly rule: string
  /** The injected faults. */
  readonly faults: readonly ('delay' | 'error' | 'cut')[]
  /** Side on which they are injected. */
  readonly side: 'client' | 'server'
  /** Id of the instance that the attempt is sent to; only on the client side. */
  readonly instanceId?: string | undefined
}

/** Payload of `sd:v1:config:update`. It contains no values. */
export interface ConfigUpdateEvent {
  /** Name of the configuration. */
  readonly config: string
  /** The version in effect. */
  readonly version: number
  /** Paths of the changed values, at most 1,000; empty if the update was rejected. */
  readonly changed: readonly string[]
  /** Time to read, decrypt, merge and validate, in milliseconds. */
  readonly durationMs: number
  /** Why it was rejected; absent on success. */
  readonly error?: SdError | undefined
}

/** Payload of each channel. */
export interface TelemetryEvents {
  /** The connection to a backend changed its state. */
  readonly 'sd:v1:backend:state': BackendStateEvent
  /** An operation on a backend ended. */
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
  /** A call is retried. */
  readonly 'sd:v1:call:retry': CallRetryEvent
  /** A hedge: another attempt starts while the call is pending. */
  readonly 'sd:v1:call:hedge': CallHedgeEvent
  /** A call with a hedge has its response, or has failed. */
  readonly 'sd:v1:call:hedged': CallHedgedEvent
  /** A call shares the response of another call. */
  readonly 'sd:v1:call:collapse': CallStartEvent
  /** A policy refused a call. */
  readonly 'sd:v1:call:refused': CallRefusedEvent
  /** A fallback replaced a failed call. */
  readonly 'sd:v1:call:fallback': CallFallbackEvent
  /** A circuit breaker changed its state. */
  readonly 'sd:v1:breaker:state': BreakerStateEvent
  /** A rate limiter made a decision. */
  readonly 'sd:v1:rate-limit:decision': RateLimitEvent
  /** A server refused a request. */
  readonly 'sd:v1:server:refused': ServerRefusedEvent
  /** A sticky balancer picked an endpoint. */
  readonly 'sd:v1:sticky:pick': StickyPickEvent
  /** A session of a sticky balancer changed. */
  readonly 'sd:v1:sticky:session': StickySessionEvent
  /** A subset balancer decided where a request goes. */
  readonly 'sd:v1:subset:pick': SubsetPickEvent
  /** An endpoint was ejected or restored. */
  readonly 'sd:v1:endpoint:ejection': EndpointEjectionEvent
  /** A panic began or ended. */
  readonly 'sd:v1:cluster:panic': ClusterPanicEvent
  /** An active health check ended. */
  readonly 'sd:v1:health:check': HealthCheckEvent
  /** A configuration applied a new version or rejected one. */
  readonly 'sd:v1:config:update': ConfigUpdateEvent
  /** A configuration entry was written through a history or a canary release. */
  readonly 'sd:v1:config:write': ConfigWriteEvent
  /** This process acquired, released or lost a lock. */
  readonly 'sd:v1:lock:state': LockStateEvent
  /** An alert changed its state. */
  readonly 'sd:v1:alert:state': AlertStateEvent
  /** A fault was injected into an attempt or a request, for a drill. */
  readonly 'sd:v1:fault:injected': FaultInjectedEvent
  /** A cache has decided what to do with a request. */
  readonly 'sd:v1:http-cache:request': HttpCacheRequestEvent
  /** A gateway has handled a request. */
  readonly 'sd:v1:gateway:exchange': GatewayExchangeEvent
  /** A gateway has handled a call of a protocol over HTTP, such as gRPC. Its exchange has an event of its own. */
  readonly 'sd:v1:gateway:call': GatewayCallEvent
  /** Messages have passed a gateway on connections of a protocol, such as WebSocket: every 10 seconds, and at the end of each. */
  readonly 'sd:v1:gateway:messages': GatewayMessagesEvent
  /** A gateway opened or closed a connection of a client. */
  readonly 'sd:v1:gateway:connection': GatewayConnectionEvent
  /** A gateway refused a connection before there was a request. */
  readonly 'sd:v1:gateway:refused': GatewayRefusedEvent
  /** A gateway applied a new table or rejected one. */
  readonly 'sd:v1:gateway:reload': GatewayReloadEvent
}
