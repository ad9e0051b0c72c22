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
  /** When it was built. */
  readonly at: number
  /** The registry, and since when it is unreachable. */
  readonly registry: {
    /** Name of the registry, such as `consul`. */
    readonly name: string
    /** Its URL without credentials; empty if it was not given. */
    readonly url: string
    /** Whether the list of services has been read at least once. */
    readonly isKnown: boolean
    /** Since when it can't be read; absent while it can. */
    readonly staleSince?: number | undefined
    /** Why it can't be read; absent while it can. */
    readonly lastError?: WireError | undefined
  }
  /** Services by name. */
  readonly services: readonly FleetService[]
  /** Processes by name. */
  readonly processes: readonly FleetProcess[]
  /** Calls and declared dependencies, by caller and called service. */
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
  /** Its name. */
  readonly service: string
  /** Whether the registry lists an instance of it. */
  readonly isRegistered: boolean
  /** Instances that the registry lists. */
  readonly instances: readonly FleetInstance[]
  /** Versions of its instances. */
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
  /** Calls per second. */
  readonly perSecond: number
  /** From 0 to 1. */
  readonly failedShare: number
  /** Mean duration in milliseconds; absent without responses. */
  readonly meanMs?: number | undefined
  /** Median duration in milliseconds, from the buckets of the callers; absent without responses. */
  readonly p50Ms?: number | undefined
  /** 99th percentile of the duration in milliseconds; absent without responses. */
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
  /** Unique within the service. */
  readonly instanceId: string
  /** Origin of its URL, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  readonly health: HealthStatus
  /** Reason of its health, for people; absent if it gives none. */
  readonly healthMessage?: string | undefined
  /** Since when it has this health, as far as the registry or the reader knows. */
  readonly healthSince?: number | undefined
  /** Version of the software; absent if it names none. */
  readonly version?: string | undefined
  /** Zone of its locality; absent if it names none. */
  readonly zone?: string | undefined
  /** Relative share of traffic; 0 for none. */
  readonly weight: number
  /** Labels without a value, at most 64. */
  readonly tags: readonly string[]
  /** Values under keys that look secret are masked. */
  readonly metadata: Readonly<Record<string, string>>
  /** When it was first registered. */
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
  /** Id of that process. */
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
  /** Differs for every start of a process. Before the first answer it is `host:port`; of two processes with one id, the second has its address appended. */
  readonly processId: string
  /** Name for people, such as `orders-1`. */
  readonly name: string
  /** The instances that it is. */
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
  /** Why it does not answer; absent while it does. */
  readonly lastError?: WireError | undefined
  /** Add it to times of its clock, such as those in `states`, to compare them with times of this model. */
  readonly clockOffsetMs: number
  /** Name of its machine; absent before the first answer. */
  readonly host?: string | undefined
  /** Process id of its operating system; absent before the first answer. */
  readonly pid?: number | undefined
  /** When it started, by the clock of the reader; absent before the first answer. */
  readonly startedAt?: number | undefined
  /** Version of Node.js; absent before the first answer. */
  readonly node?: string | undefined
  /** Versions of the loaded packages of this project, by name. */
  readonly packages: Readonly<Record<string, readonly string[]>>
  /** What may be changed through its endpoint. */
  readonly controls: readonly AdminControl[]
  /** CPU, memory, event loop and databases; absent before the first answer. */
  readonly system?: SystemReport | undefined
  /** States of its components. */
  readonly states: readonly StateReport[]
  /** Lifecycles of its servers. */
  readonly lifecycles: readonly LifecycleAnswer[]
  /** Its own view of its health. */
  readonly health: readonly HealthAnswer[]
  /** Its configurations. */
  readonly configs: readonly ConfigAnswer[]
  /** Its alerts. */
  readonly alerts: readonly AlertsAnswer[]
  /** Locks that it holds. */
  readonly locks: readonly LockAnswer[]
  /** Its gateways. */
  readonly gateways: readonly GatewayAnswer[]
}

/** Calls of one service to another. */
export interface FleetEdge {
  /** The calling service; for a process that registers nothing, its name. */
  readonly from: string
  /** The called service. */
  readonly to: string
  /** Whether it was seen, declared by `needs`, or both. */
  readonly kind: 'observed' | 'declared' | 'both'
  /** Calls over the last minute. */
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
  /** Mean duration in milliseconds; absent without responses. */
  readonly meanMs?: number | undefined
  /** 99th percentile of the duration in milliseconds; absent without responses. */
  readonly p99Ms?: number | undefined
}

/** What a problem, change or link is about. */
export interface Ref {
  /** Name of a service; absent if it is not about one. */
  readonly service?: string | undefined
  /** Id of an instance of `service`; absent if it is not about one. */
  readonly instanceId?: string | undefined
  /** Id of a process; absent if it is not about one. */
  readonly processId?: string | undefined
  /** Name of a configuration; absent if it is not about one. */
  readonly config?: string | undefined
  /** Name of an alert rule; absent if it is not about one. */
  readonly rule?: string | undefined
  /** Name of a gateway; absent if it is not about one. */
  readonly gateway?: string | undefined
}

/** What is wrong, in a sentence, with evidence and what to do. */
export interface Problem {
  /** The same while the problem lasts. */
  readonly id: string
  /** Name of the rule that found it. */
  readonly rule: string
  /** `critical`: calls fail or are about to. `warning`: look at it soon. `info`: good to know. */
  readonly severity: 'info' | 'warning' | 'critical'
  /** What it is about. */
  readonly about: Ref
  /** What is wrong, as a sentence without times. */
  readonly text: string
  /** What the rule has seen, one sentence each. */
  readonly evidence: readonly string[]
  /** What to do, as a sentence. */
  readonly next?: string | undefined
  /** When it began, as far as the reader knows; kept from poll to poll. */
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
  /** Unique within one reader. */
  readonly id: string
  /** When it happened, as far as the reader knows. */
  readonly at: number
  /** What kind of thing changed. */
  readonly kind: ChangeKind
  /** What it is about. */
  readonly about: Ref
  /** What changed, as a sentence. */
  readonly text: string
  /** How bad it is; `info` for changes for the better. */
  readonly severity: 'info' | 'warning' | 'critical'
  /** Author of the change; absent if it is not known. */
  readonly by?: string | undefined
}
