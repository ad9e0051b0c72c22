import type { AdminControl, SystemReport } from '@sd/admin'
import type { AlertsAnswer, ConfigAnswer, GatewayAnswer, HealthStatus, LockAnswer, StateReport, WireError } from '@sd/core'

// The reader's model: plain JSON data, so that it can be sent to a page as it is. Times are in Unix milliseconds.

/** Everything that is known about a fleet at one moment. */
export interface FleetModel {
  readonly at: number
  /** The registry, and since when it is unreachable. */
  readonly registry: {
    readonly name: string
    readonly url: string
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
  /** Processes and services that were left out, because there are more than the limits allow. */
  readonly omitted: { readonly services: number; readonly processes: number }
}

/** A service that is registered, or that is called. */
export interface FleetService {
  readonly service: string
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
  readonly perSecond: number
  /** From 0 to 1. */
  readonly failedShare: number
  readonly meanMs?: number | undefined
  readonly p50Ms?: number | undefined
  readonly p99Ms?: number | undefined
  /** Failures in the last minute by code. */
  readonly failed: Readonly<Record<string, number>>
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
  /** How each caller sees it. */
  readonly views: readonly {
    readonly caller: string
    readonly processId: string
    readonly gets: boolean
    readonly reason?: string | undefined
    readonly latencyMs: number
    readonly active: number
  }[]
}

/** A process with an admin endpoint. */
export interface FleetProcess {
  readonly processId: string
  /** Name for people, such as `orders-1`. */
  readonly name: string
  readonly services: readonly { readonly service: string; readonly instanceId: string }[]
  /** The address that was asked. */
  readonly address: string
  readonly state: 'answers' | 'silent' | 'refuses'
  readonly since: number
  readonly lastError?: WireError | undefined
  readonly startedAt?: number | undefined
  readonly node?: string | undefined
  readonly packages: Readonly<Record<string, readonly string[]>>
  readonly controls: readonly AdminControl[]
  readonly system?: SystemReport | undefined
  readonly states: readonly StateReport[]
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

/** Something that changed. */
export interface FleetChange {
  readonly id: string
  readonly at: number
  readonly kind: string
  readonly about: Ref
  readonly text: string
  readonly severity: 'info' | 'warning' | 'critical'
  readonly by?: string | undefined
}
