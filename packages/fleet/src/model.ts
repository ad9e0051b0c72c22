import type { AdminControl, SystemReport } from '@sd/admin'
import type {
  AlertsAnswer,
  ConfigAnswer,
  GatewayAnswer,
  HealthAnswer,
  HealthStatus,
  LifecycleAnswer,
  LockAnswer,
  StateReport,
  WireError,
} from '@sd/core'

// The reader's model: plain JSON data, so that it can be sent to a page as it is. Times are in Unix milliseconds.

/** Everything that is known about a fleet at one moment. */
export interface FleetModel {
  readonly at: number
  /** The registry, and since when it is unreachable. */
  readonly registry: {
    readonly name: string
    /** Its URL without credentials; empty if it was not given. */
    readonly url: string
    /** Whether the list of services has been read at least once. */
    readonly isKnown: boolean
    readonly staleSince?: number | undefined
    readonly lastError?: WireError | undefined
  }
  readonly services: readonly FleetService[]
  readonly processes: readonly FleetProcess[]
  readonly edges: readonly FleetEdge[]
  /** What is wrong, most severe first. */
  readonly problems: readonly Problem[]
  /** What changed in the last five minutes, latest first; at most 1,000. */
  readonly changes: readonly FleetChange[]
  /** What was left out, because there is more than the limits allow. */
  readonly omitted: {
    readonly services: number
    readonly instances: number
    readonly processes: number
    readonly edges: number
    readonly problems: number
  }
}

/** A service that is registered, or that is called. */
export interface FleetService {
  readonly service: string
  /** Whether the registry lists an instance of it. */
  readonly isRegistered: boolean
  readonly instances: readonly FleetInstance[]
  readonly versions: readonly string[]
  /** Declared dependencies of its instances. */
  readonly needs: readonly string[]
  /** Calls to it by processes with an admin endpoint. */
  readonly traffic: Traffic
  /** Names of the services and processes that call it. */
  readonly calledBy: readonly string[]
}

/** Calls over the last minute, as the callers see them. */
export interface Traffic {
  /** Number of calls, or of attempts for an instance. */
  readonly total: number
  readonly perSecond: number
  /** From 0 to 1. */
  readonly failedShare: number
  readonly meanMs?: number | undefined
  readonly p50Ms?: number | undefined
  readonly p99Ms?: number | undefined
  /** Failures in the last minute by code. */
  readonly failed: Readonly<Record<string, number>>
  /** Calls in the last minute that a policy refused, by policy and name, such as `breaker orders`. */
  readonly refused: Readonly<Record<string, number>>
  /** Retries in the last minute. */
  readonly retries: number
}

/** An instance of a service. */
export interface FleetInstance {
  readonly instanceId: string
  readonly origin: string
  readonly health: HealthStatus
  readonly healthMessage?: string | undefined
  readonly healthSince?: number | undefined
  readonly version?: string | undefined
  readonly zone?: string | undefined
  readonly weight: number
  readonly tags: readonly string[]
  /** Values under keys that look secret are masked. */
  readonly metadata: Readonly<Record<string, string>>
  readonly createdAt: number
  /** Attempts at it over the last minute. */
  readonly traffic: Traffic
  /** Id of its process, if that has an admin endpoint that answers. */
  readonly processId?: string | undefined
  /**
   * How callers see it. It is filled by `explain`, and while polling for callers that exclude an endpoint of the service; an entry
   * is kept for a minute.
   */
  readonly views: readonly InstanceView[]
}

/** An instance as one caller sees it. */
export interface InstanceView {
  /** Name of the calling process. */
  readonly caller: string
  readonly processId: string
  /** Whether it may be picked. */
  readonly gets: boolean
  /** Why it gets nothing; absent if it may be picked. */
  readonly reason?: string | undefined
  /** Time to response headers in milliseconds, a peak EWMA; 0 before the first response. */
  readonly latencyMs: number
  /** Attempts in progress. */
  readonly active: number
  /** When the caller was asked. */
  readonly at: number
}

/** A process with an admin endpoint. */
export interface FleetProcess {
  readonly processId: string
  /** Name for people, such as `orders-1`. */
  readonly name: string
  readonly services: readonly { readonly service: string; readonly instanceId: string }[]
  /** Origin that was asked, such as `http://10.0.0.1:9465`. */
  readonly address: string
  /**
   * `answers`: the last poll had an answer. `silent`: it does not respond. `refuses`: it responds with something else than a
   * snapshot, or its address may not be asked; see `lastError`. What it answered before is kept.
   */
  readonly state: 'answers' | 'silent' | 'refuses'
  /** When it entered that state. */
  readonly since: number
  /** When it last answered; absent if it never did. */
  readonly answeredAt?: number | undefined
  readonly lastError?: WireError | undefined
  /** Add it to times of its clock, such as those in `states`, to compare them with times of this model. */
  readonly clockOffsetMs: number
  readonly host?: string | undefined
  readonly pid?: number | undefined
  readonly startedAt?: number | undefined
  readonly node?: string | undefined
  readonly packages: Readonly<Record<string, readonly string[]>>
  readonly controls: readonly AdminControl[]
  readonly system?: SystemReport | undefined
  readonly states: readonly StateReport[]
  readonly lifecycles: readonly LifecycleAnswer[]
  readonly health: readonly HealthAnswer[]
  readonly configs: readonly ConfigAnswer[]
  readonly alerts: readonly AlertsAnswer[]
  readonly locks: readonly LockAnswer[]
  readonly gateways: readonly GatewayAnswer[]
}

/** Who calls whom. */
export interface FleetEdge {
  /** The calling service; for a process that registers nothing, its name. */
  readonly from: string
  readonly to: string
  /** Whether it was seen, declared by `needs`, or both. */
  readonly kind: 'observed' | 'declared' | 'both'
  readonly traffic: Traffic
}

/** Traffic in one step of the recorded past. */
export interface TrafficPoint {
  /** Start of the step. */
  readonly at: number
  /** Calls per second, or attempts per second of an instance. */
  readonly perSecond: number
  /** From 0 to 1. */
  readonly failedShare: number
  readonly meanMs?: number | undefined
  readonly p99Ms?: number | undefined
}

/** What a problem, change or link is about. */
export interface Ref {
  readonly service?: string | undefined
  readonly instanceId?: string | undefined
  readonly processId?: string | undefined
  readonly config?: string | undefined
  readonly rule?: string | undefined
  readonly gateway?: string | undefined
}

/** What is wrong, in a sentence, with evidence and what to do. */
export interface Problem {
  /** The same while the problem lasts. */
  readonly id: string
  /** Name of the rule that found it. */
  readonly rule: string
  readonly severity: 'info' | 'warning' | 'critical'
  readonly about: Ref
  readonly text: string
  readonly evidence: readonly string[]
  /** What to do, as a sentence. */
  readonly next?: string | undefined
  readonly since?: number | undefined
}

/** What kind of thing changed. */
export type ChangeKind =
  | 'registry'
  | 'instance'
  | 'health'
  | 'version'
  | 'process'
  | 'registration'
  | 'breaker'
  | 'panic'
  | 'config'
  | 'lock'
  | 'gateway'
  | 'alert'

/** Something that changed. */
export interface FleetChange {
  readonly id: string
  readonly at: number
  readonly kind: ChangeKind
  readonly about: Ref
  readonly text: string
  readonly severity: 'info' | 'warning' | 'critical'
  readonly by?: string | undefined
}
