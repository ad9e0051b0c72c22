import { channel } from 'node:diagnostics_channel'
import type { OutReason } from '../balancing/endpoint-blocks.ts'
import type { CircuitState } from '../policy/circuit-breaker.ts'
import type { ConnectionState, RegistrationState } from '../registry/registry.ts'

/**
 * Name of the channel on which somebody asks for the state of everything that is alive: events alone would leave those in the dark who
 * begin to listen late. Its payload is a function that takes a {@link StateReport}.
 */
const stateReportChannel = 'sd:v1:state:report'

/** State of the connection to a backend. */
export interface BackendStateReport {
  /** What it is about. */
  readonly kind: 'backend'
  /** Name of the registry, configuration source, lock or limiter. */
  readonly backend: string
  /** The state of its connection. */
  readonly state: ConnectionState
}

/** How a registration of this process is. */
export interface RegistrationStateReport {
  /** What it is about. */
  readonly kind: 'registration'
  /** Name of the registry. */
  readonly registry: string
  /** Service of the instance. */
  readonly service: string
  /** Id of the instance. */
  readonly instanceId: string
  /** Its state. */
  readonly state: RegistrationState
}

/** How the cluster of a service is. */
export interface ClusterStateReport {
  /** What it is about. */
  readonly kind: 'cluster'
  /** Name of the service. */
  readonly service: string
  /** Instances in the last known snapshot, by their own health. */
  readonly instances: Readonly<Record<'healthy' | 'unhealthy' | 'draining' | 'unknown', number>>
  /** Endpoints that may get traffic. */
  readonly eligible: number
  /** Endpoints that a monitor took out. */
  readonly ejected: number
  /** Endpoints that are out for whatever reason: unhealthy, ejected, blocked by a breaker, unreachable. */
  readonly out: number
  /** Those by the first reason that each has; without the reasons that none has. Absent from versions that did not tell. */
  readonly outBy?: Readonly<Partial<Record<OutReason, number>>>
  /** Whether so few endpoints are in that those that are out are used too. */
  readonly isPanic: boolean
  /** Instances that are kept although the source does not list them any more. */
  readonly held: number
  /** For how long the source has been away, in milliseconds; 0 while it is not. */
  readonly staleForMs: number
  /** When the counts below began, by `performance.now()`: tells them from those of another Discovery, or of one that was closed. */
  readonly startedAt: number
  /** Lookups answered from what was known, since the start. */
  readonly hits: number
  /** Lookups that had to wait for the source, since the start. */
  readonly misses: number
  /** Snapshots that were applied, since the start. */
  readonly updates: number
}

/** How a circuit breaker is. */
export interface BreakerStateReport {
  /** What it is about. */
  readonly kind: 'breaker'
  /** Name of the breaker. */
  readonly breaker: string
  /** Service that it guards. */
  readonly service: string
  /** Instance that it guards, if it is one instance's. */
  readonly instanceId?: string | undefined
  /** Its state. */
  readonly state: CircuitState
}

/** How a concurrency limit is. */
export interface LimitStateReport {
  /** What it is about. */
  readonly kind: 'limit'
  /** Name of the limit. */
  readonly limit: string
  /** Service that it guards. */
  readonly service: string
  /** Most work at once, as of now. */
  readonly max: number
  /** Work under way. */
  readonly active: number
  /** Work that waits. */
  readonly waiting: number
}

/** How a retry budget is. */
export interface RetryBudgetStateReport {
  /** What it is about. */
  readonly kind: 'retry-budget'
  /** Service that it belongs to. */
  readonly service: string
  /** Further attempts that would be granted now. */
  readonly available: number
}

/** How a configuration is. */
export interface ConfigStateReport {
  /** What it is about. */
  readonly kind: 'config'
  /** Name of the configuration. */
  readonly config: string
  /** The version that counts: 1 at the start, one more with every change. */
  readonly version: number
  /** When that version was taken over, in Unix milliseconds. */
  readonly updatedAt: number
  /** Sources that are away. */
  readonly staleSources: readonly string[]
  /** Sources whose newest content was refused. */
  readonly refusedSources: readonly string[]
  /** For how long a source has been away or refused, in milliseconds; 0 while all is well. */
  readonly degradedForMs: number
}

/** The state of one thing. Who reads reports ignores kinds that it doesn't know: minor versions add some. */
export type StateReport =
  | BackendStateReport
  | RegistrationStateReport
  | ClusterStateReport
  | BreakerStateReport
  | LimitStateReport
  | RetryBudgetStateReport
  | ConfigStateReport

const states = channel(stateReportChannel)

/**
 * Answers whoever asks for states, for as long as the thing lives.
 *
 * @param report called synchronously; what it throws is dropped
 * @returns a function that ends it
 */
export function reportStates(report: () => Iterable<StateReport>): () => void {
  function answer(take: unknown): void {
    try {
      for (const state of report()) (take as (state: StateReport) => void)(state)
    } catch {
      // A report that fails must not end the process, which is what an error in a subscriber does.
    }
  }
  states.subscribe(answer)
  return () => void states.unsubscribe(answer)
}

/** Asks everything that is alive for its state. */
export function collectStates(): readonly StateReport[] {
  const collected: StateReport[] = []
  states.publish((state: StateReport) => void collected.push(state))
  return collected
}
