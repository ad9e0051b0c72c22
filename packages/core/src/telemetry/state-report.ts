import { channel } from 'node:diagnostics_channel'
import type { OutReason } from '../balancing/endpoint-blocks.ts'
import type { CircuitChangeReason, CircuitState } from '../policy/circuit-breaker.ts'
import type { ConnectionState, RegistrationState } from '../registry/registry.ts'
import type { WireError } from './wire-error.ts'

/**
 * Name of the channel that collects the state of every live component. A subscriber that attaches late has missed earlier
 * events, so it can ask for the current state. The payload is a function that takes a {@link StateReport}.
 */
const stateReportChannel = 'sd:v1:state:report'

/** What a backend is used for. */
export type BackendRole = 'registry' | 'config' | 'lock' | 'rate-limit'

/** State of the connection to a backend. */
export interface BackendStateReport {
  readonly kind: 'backend'
  /** Name of the registry, configuration source, lock or limiter. */
  readonly backend: string
  /** What it is used for. Absent from older versions. */
  readonly role?: BackendRole | undefined
  /** State of its connection. */
  readonly state: ConnectionState
  /** When it entered that state, in Unix milliseconds. Absent from older versions. */
  readonly since?: number | undefined
  /** Why it is disconnected. */
  readonly lastError?: WireError | undefined
}

/** State of a registration of this process. */
export interface RegistrationStateReport {
  readonly kind: 'registration'
  readonly registry: string
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** State of the registration. */
  readonly state: RegistrationState
  /** When it entered that state, in Unix milliseconds. Absent from older versions. */
  readonly since?: number | undefined
  /** Why it is not `active`. */
  readonly lastError?: WireError | undefined
}

/** State of the cluster of a service. */
export interface ClusterStateReport {
  readonly kind: 'cluster'
  readonly service: string
  /** Instances in the last known snapshot, by health. */
  readonly instances: Readonly<Record<'healthy' | 'unhealthy' | 'draining' | 'unknown', number>>
  /** Endpoints that may get traffic. */
  readonly eligible: number
  /** Endpoints that a monitor ejected. */
  readonly ejected: number
  /** Endpoints that are out for any reason: unhealthy, ejected, blocked by a breaker, unreachable. */
  readonly out: number
  /**
   * Number of endpoints that are out, by their first reason. Reasons without endpoints are omitted. Absent from older
   * versions.
   */
  readonly outBy?: Readonly<Partial<Record<OutReason, number>>>
  /** Whether too few endpoints are available, so that all are used. */
  readonly isPanic: boolean
  /** Instances that are kept although the source no longer lists them. */
  readonly held: number
  /** How long the source has been unreachable, in milliseconds; 0 while it is reachable. */
  readonly staleForMs: number
  /**
   * Start of the counters below, by `performance.now()`. Distinguishes them from those of another Discovery or of a
   * closed one.
   */
  readonly startedAt: number
  /** Lookups answered from memory, since the start. */
  readonly hits: number
  /** Lookups that had to wait for the source, since the start. */
  readonly misses: number
  /** Applied snapshots, since the start. */
  readonly updates: number
}

/** State of a circuit breaker. */
export interface BreakerStateReport {
  readonly kind: 'breaker'
  /** Name of the breaker. */
  readonly breaker: string
  readonly service: string
  /** Id of the instance that it guards, if it guards a single one. */
  readonly instanceId?: string | undefined
  /** State of the breaker. */
  readonly state: CircuitState
  /** When it last changed its state, in Unix milliseconds; absent before the first change. */
  readonly since?: number | undefined
  /** Reason of the last change. */
  readonly reason?: CircuitChangeReason | undefined
}

/** State of a concurrency limit. */
export interface LimitStateReport {
  readonly kind: 'limit'
  /** Name of the limit. */
  readonly limit: string
  readonly service: string
  /** Current limit. */
  readonly max: number
  /** Number of active calls. */
  readonly active: number
  /** Number of waiting calls. */
  readonly waiting: number
}

/** State of a retry budget. */
export interface RetryBudgetStateReport {
  readonly kind: 'retry-budget'
  readonly service: string
  /** Number of additional attempts available now. */
  readonly available: number
}

/** State of a configuration. */
export interface ConfigStateReport {
  readonly kind: 'config'
  /** Name of the configuration. */
  readonly config: string
  /** The version in effect: 1 at the start, then incremented with every change. */
  readonly version: number
  /** When that version took effect, in Unix milliseconds. */
  readonly updatedAt: number
  /** Unreachable sources. */
  readonly staleSources: readonly string[]
  /** Sources whose latest content was rejected. */
  readonly refusedSources: readonly string[]
  /** How long a source has been unreachable or rejected, in milliseconds; 0 if there is none. */
  readonly degradedForMs: number
  /**
   * Digest of the values in effect. Two processes with the same digest have the same configuration. Secrets are masked before
   * it is computed, so that it reveals nothing; with the option `digestKey` they are included. Absent from older versions.
   */
  readonly digest?: string | undefined
}

/** State of a gateway. */
export interface GatewayStateReport {
  readonly kind: 'gateway'
  /** Name of the gateway. */
  readonly gateway: string
  /** The version of its table: 1 at the start, then incremented with every change. */
  readonly version: number
  /** When that version took effect, in Unix milliseconds. */
  readonly updatedAt: number
  /** Whether it accepts requests. */
  readonly isReady: boolean
  /** Requests in progress. */
  readonly requests: number
  /** Open connections of each listener. A listener of an earlier table is missing. */
  readonly listeners: readonly { readonly listener: string; readonly connections: number }[]
}

/** State of one component. Readers must ignore unknown kinds: minor versions add some. */
export type StateReport =
  | BackendStateReport
  | RegistrationStateReport
  | ClusterStateReport
  | BreakerStateReport
  | LimitStateReport
  | RetryBudgetStateReport
  | ConfigStateReport
  | GatewayStateReport

const states = channel(stateReportChannel)

/**
 * Reports the state of a component until the returned function is called.
 *
 * @param report called synchronously; its errors are dropped
 * @returns a function that ends reporting
 */
export function reportStates(report: () => Iterable<StateReport>): () => void {
  function collect(take: unknown): void {
    try {
      for (const state of report()) (take as (state: StateReport) => void)(state)
    } catch {
      // A failing report must not end the process, as an error in a subscriber does.
    }
  }
  states.subscribe(collect)
  return () => void states.unsubscribe(collect)
}

/** Collects the state of every live component. */
export function collectStates(): readonly StateReport[] {
  const collected: StateReport[] = []
  states.publish((state: StateReport) => void collected.push(state))
  return collected
}
