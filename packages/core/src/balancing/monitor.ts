import type { Outcome } from '../call/outcome.ts'
import type { SdError } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'

/** Options of {@link MonitoredCluster.restore}. */
export interface RestoreOptions {
  /** Time in which the endpoint returns to its full weight, in milliseconds. 0 restores the full weight at once. @default 0 */
  readonly rampMs?: number
}

/** Why an endpoint was ejected, for people and metrics. */
export interface Ejection {
  /** The rule that ejected it, such as `consecutive-5xx`, or the name of a check. */
  readonly reason: string
  /** Expected duration in milliseconds, if known. */
  readonly forMs?: number | undefined
}

/** The part of a cluster that a monitor uses. A monitor can only restore endpoints that it ejected itself. */
export interface MonitoredCluster {
  readonly service: string
  /**
   * The endpoints that pass the service's filter and are not draining, including ejected ones. Every change creates a new
   * array.
   */
  readonly endpoints: readonly Endpoint[]
  /**
   * Ejects an endpoint: it gets no traffic until it is restored, except in a panic. Idempotent; unknown endpoints are
   * ignored.
   */
  eject(endpoint: Endpoint, ejection: Ejection): void
  /** Ends the ejection. Idempotent. */
  restore(endpoint: Endpoint, options?: RestoreOptions): void
}

/** Result of a monitor's own checks of an endpoint. */
export interface EndpointCheck {
  /** Name of the check. */
  readonly check: string
  /** The verdict so far. A single failure does not make an endpoint unhealthy; see the monitor. */
  readonly status: 'healthy' | 'unhealthy' | 'unknown'
  /** When the verdict last changed, in Unix milliseconds. */
  readonly since: number
  /** When the last check ended, in Unix milliseconds; absent before the first. */
  readonly checkedAt?: number | undefined
  /** Error of the last check; absent if it succeeded. */
  readonly error?: SdError | undefined
}

/** A monitor attached to a cluster. Its methods are called synchronously and must not throw. */
export interface AttachedMonitor {
  /**
   * Called at the end of every attempt. It is on the request path and must be fast. Aborted attempts say nothing about
   * the endpoint.
   */
  observe?(endpoint: Endpoint, outcome: Outcome): void
  /** Called when {@link MonitoredCluster.endpoints} is a new list. */
  update?(): void
  /** Returns the result of its own checks of an endpoint; `undefined` if it does not check it. */
  explain?(endpoint: Endpoint): EndpointCheck | undefined
  /** Stops it: timers, checks, connections. */
  close(): void
}

/** Observes the endpoints of clusters and ejects unhealthy ones: outlier detection, active health checks, or your own. */
export interface EndpointMonitor {
  /** Name for logs and metrics, unique among the monitors of a cluster. */
  readonly name: string
  /**
   * Whether it actively checks every endpoint. If so, Discovery does not run the checks that instances declare. @default
   * false
   */
  readonly isActive?: boolean
  /** Attaches to a cluster, which may not have endpoints yet. */
  attach(cluster: MonitoredCluster): AttachedMonitor
}
