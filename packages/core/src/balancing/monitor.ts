import type { Outcome } from '../call/outcome.ts'
import type { SdError } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'

/** Options of {@link MonitoredCluster.restore}. */
export interface RestoreOptions {
  /** Time in which the endpoint comes back to its full weight, in milliseconds; 0 gives it all of it at once. @default 0 */
  readonly rampMs?: number
}

/** Why an endpoint is taken out, for people and metrics. */
export interface Ejection {
  /** The rule that took it out, such as `consecutive-5xx` or the name of a check. */
  readonly reason: string
  /** For how long, in milliseconds, where that is known. */
  readonly forMs?: number | undefined
}

/** A cluster as a monitor sees it. What one monitor ejects, no other can restore. */
export interface MonitoredCluster {
  /** Name of the service. */
  readonly service: string
  /** The endpoints that the service's filter keeps and that are not draining, ejected ones included. Another array after every change. */
  readonly endpoints: readonly Endpoint[]
  /** Takes an endpoint out: it gets no traffic until it is restored, but in a panic. Idempotent; unknown endpoints are ignored. */
  eject(endpoint: Endpoint, ejection: Ejection): void
  /** Takes the ejection back. Idempotent. */
  restore(endpoint: Endpoint, options?: RestoreOptions): void
}

/** What a monitor knows of an endpoint by its own checks. */
export interface EndpointCheck {
  /** Name of the check. */
  readonly check: string
  /** The verdict so far: one failure does not make an endpoint unhealthy, see the monitor. */
  readonly status: 'healthy' | 'unhealthy' | 'unknown'
  /** Since when the verdict is this one, in Unix milliseconds. */
  readonly since: number
  /** When the last check ended, in Unix milliseconds; absent before the first. */
  readonly checkedAtMs?: number | undefined
  /** How the last check failed; absent if it did not. */
  readonly error?: SdError | undefined
}

/** A monitor at work on a cluster. Its methods are called synchronously and must not throw. */
export interface AttachedMonitor {
  /** An attempt on an endpoint ended. On the request path: it must be quick. Aborted attempts say nothing of the endpoint. */
  observe?(endpoint: Endpoint, outcome: Outcome): void
  /** {@link MonitoredCluster.endpoints} is another list now. */
  update?(): void
  /** What it knows of an endpoint by checks of its own; `undefined` if it does not check it. */
  explain?(endpoint: Endpoint): EndpointCheck | undefined
  /** Ends it: timers, checks, connections. */
  close(): void
}

/** Watches how the endpoints of clusters fare, and takes bad ones out: outlier detection, active health checks, or your own. */
export interface EndpointMonitor {
  /** Name for logs and metrics; no two monitors of a cluster have the same. */
  readonly name: string
  /** Whether it checks every endpoint actively: then Discovery does not run the checks that instances declare beside it. @default false */
  readonly isActive?: boolean
  /** Begins work on a cluster, whose endpoints may still be none. */
  attach(cluster: MonitoredCluster): AttachedMonitor
}
