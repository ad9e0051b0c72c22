import type { DropRule } from '../balancing/cluster.ts'
import type { EndpointOut } from '../balancing/endpoint-blocks.ts'
import type { HealthStatus } from '../instance/service-instance.ts'
import type { HeldList } from '../instance/snapshot.ts'
import type { RegistrationState } from '../registry/registry.ts'
import type { StateReport } from './state-report.ts'
import type { WireError } from './wire-error.ts'

// Plain JSON data. Readers ignore unknown fields: minor versions add some. All times are in Unix milliseconds.

/** Result of one monitor's checks of an endpoint. */
export interface CheckAnswer {
  /** Name of the check. */
  readonly check: string
  /** The verdict. A single failure does not change it. */
  readonly status: 'healthy' | 'unhealthy' | 'unknown'
  /** When the verdict last changed. */
  readonly since: number
  /** When the last check ended; absent before the first. */
  readonly checkedAt?: number | undefined
  /** Error of the last check; absent if it succeeded. */
  readonly error?: WireError | undefined
}

/** An endpoint as one caller sees it, and why it gets traffic or not. */
export interface EndpointAnswer {
  /** Id of the instance. */
  readonly instanceId: string
  /** Origin of its URL, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** Version of the instance. */
  readonly version?: string | undefined
  /** Zone of the instance. */
  readonly zone?: string | undefined
  /** Health in its registry. */
  readonly health: HealthStatus
  /** Effective weight; 0 for an excluded endpoint. */
  readonly weight: number
  /** The rule that excludes it; absent if it may be picked. */
  readonly dropped?: DropRule | undefined
  /** Why it is out, since when and until when. In a panic it may be picked nevertheless. */
  readonly outs: readonly EndpointOut[]
  /** Results of the monitors that check it. */
  readonly checks: readonly CheckAnswer[]
  /** Time to response headers in milliseconds, a peak EWMA; 0 before the first response. */
  readonly latencyMs: number
  /** Attempts in progress. */
  readonly active: number
}

/** The endpoints of a service as one caller sees them. */
export interface ClusterAnswer {
  readonly service: string
  /** Whether the source has never listed an instance of the service. */
  readonly isUnknown: boolean
  /** Whether too few endpoints are available, so that all are used. */
  readonly isPanic: boolean
  /** Since when the source has been unreachable; absent while it is reachable. */
  readonly staleSince?: number | undefined
  /** For a name such as `orders:admin`: number of instances of `orders` without that port. */
  readonly withoutPort?: number | undefined
  /** Instances that are kept although the source no longer lists them. */
  readonly held?: HeldList | undefined
  /** All known endpoints. */
  readonly endpoints: readonly EndpointAnswer[]
  /** Endpoints beyond `MAX_ANSWER_ITEMS`. */
  readonly omitted: number
}

/** How a client calls a service. */
export interface CallsAnswer {
  readonly service: string
  /** Name of the balancer. */
  readonly balancer: string
  /** Operations with settings of their own, such as `GET /stock/{id}`. */
  readonly operations: readonly string[]
  /** State of its breakers, limits and retry budget. */
  readonly policies: readonly StateReport[]
  /** Settings in effect: numbers, booleans, and the names of policies. Header fields are listed by name only. */
  readonly settings: Readonly<Record<string, string | number | boolean>>
}

/** A source of a configuration. */
export interface ConfigSourceAnswer {
  readonly source: string
  /** Present while it is unreachable. */
  readonly stale?: { readonly since: number; readonly error: WireError; readonly isSnapshot: boolean } | undefined
  /** Present while its newest content is rejected. */
  readonly refused?: { readonly since: number; readonly failures: readonly ConfigFailureAnswer[] } | undefined
}

/** A reason why a configuration was rejected. It contains no values. */
export interface ConfigFailureAnswer {
  readonly source: string
  readonly key?: string | undefined
  readonly line?: number | undefined
  readonly field?: string | undefined
  readonly message: string
}

/** Value of one source at a path; secrets are masked. */
export interface ConfigOriginAnswer {
  readonly source: string
  readonly key?: string | undefined
  readonly line?: number | undefined
  readonly written: unknown
}

/** A configuration. */
export interface ConfigAnswer {
  /** Name of the configuration. */
  readonly config: string
  readonly version: number
  /** When that version took effect. */
  readonly updatedAt: number
  /** See `ConfigStateReport.digest`. */
  readonly digest: string
  /** Sources, lowest precedence first. */
  readonly sources: readonly ConfigSourceAnswer[]
  /** The value at the path that was asked for, and its origin; absent if no path was asked for. */
  readonly explanation?:
    | (ConfigOriginAnswer & {
        readonly path: string
        /** Value in effect; secrets are masked. */
        readonly value: unknown
        readonly isSecret: boolean
        /** Overridden values, highest precedence first. */
        readonly overrode: readonly ConfigOriginAnswer[]
      })
    | undefined
}

/** Rules, alerts, channels and silences of one `Alerts`. Plain data as `@sd/alerts` defines it. */
export interface AlertsAnswer {
  /** All rules, including disabled ones. */
  readonly rules: readonly AlertRuleAnswer[]
  /** All alerts that are not inactive. */
  readonly alerts: readonly AlertAnswer[]
  /** Channels that notify people. */
  readonly channels: readonly AlertChannelAnswer[]
  /** Silences that have not ended. */
  readonly silences: readonly SilenceAnswer[]
  /** Time of the last evaluation; absent before the first. */
  readonly evaluatedAt?: number | undefined
}

/** An alert rule. */
export interface AlertRuleAnswer {
  readonly name: string
  readonly metric: string
  readonly condition: string
  readonly threshold?: number | undefined
  readonly durationMs?: number | undefined
  readonly severity: string
  readonly channels?: readonly string[] | undefined
  readonly enabled: boolean
}

/** An alert that is not inactive. */
export interface AlertAnswer {
  /** The same while the alert lasts. */
  readonly id: string
  /** Name of its rule. */
  readonly rule: string
  /** A `resolved` alert is listed for a while. */
  readonly state: 'pending' | 'firing' | 'resolved'
  /** Severity of its rule. */
  readonly severity: string
  /** Labels of the series; secrets are masked. */
  readonly labels: Readonly<Record<string, string>>
  /** Condition of its rule, such as `>`. */
  readonly condition: string
  /** Threshold of its rule. */
  readonly threshold?: number | undefined
  /** The value when the condition last held. */
  readonly value?: number | undefined
  /** Since when the condition holds. */
  readonly activeAt: number
  /** Since when it fires. */
  readonly firingAt?: number | undefined
  /** When it ended. */
  readonly resolvedAt?: number | undefined
  /** Whether a silence suppresses notifications. */
  readonly isSilenced: boolean
}

/** A channel that notifies people. Numbers are counts since the start. */
export interface AlertChannelAnswer {
  readonly name: string
  readonly waiting: number
  readonly sent: number
  readonly failed: number
  readonly dropped: number
}

/** A silence that has not ended. */
export interface SilenceAnswer {
  readonly id: string
  readonly rule?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly endsAt: number
  readonly comment: string
}

/** A lock that this process holds. */
export interface LockAnswer {
  /** Name of the `Lock`. */
  readonly lock: string
  readonly key: string
  /** Text that the holder passed to `acquire`. */
  readonly value: string
  /** Fencing token, as text: JSON has no integers of that size. */
  readonly token: string
  /** When it was acquired. */
  readonly since: number
}

/** The lifecycle of a server. */
export interface LifecycleAnswer {
  /** Its phase. */
  readonly state: 'created' | 'starting' | 'ready' | 'stopping' | 'stopped'
  /** When it entered that state. */
  readonly since: number
  /** Its registration; absent before it is registered. */
  readonly registration?:
    | { readonly service: string; readonly instanceId: string; readonly state: RegistrationState; readonly lastError?: WireError }
    | undefined
}

/** Health of this process as its reporter sees it. */
export interface HealthAnswer {
  readonly status: HealthStatus
  /** Whether it can go on without a restart. */
  readonly isLive: boolean
  /** Whether it should get traffic. */
  readonly isReady: boolean
  /** Its checks. */
  readonly checks: readonly (CheckAnswer & {
    /** Effect of a failure: `readiness`, `liveness` or `informational`. */
    readonly kind: string
    readonly details?: Readonly<Record<string, string>> | undefined
  })[]
}

/** A gateway: its listeners, its routes, and the last table that it refused. */
export interface GatewayAnswer {
  /** Name of the gateway. */
  readonly gateway: string
  /** The version of its table. */
  readonly version: number
  /** When that version took effect. */
  readonly updatedAt: number
  /** Whether it accepts requests. */
  readonly isReady: boolean
  /** Where it listens. */
  readonly listeners: readonly {
    readonly listener: string
    readonly host: string
    readonly port: number
    readonly protocols: readonly string[]
    readonly isSecure: boolean
    readonly connections: number
  }[]
  /** Its routes. */
  readonly routes: readonly {
    readonly route: string
    /** What it matches, as text for people. */
    readonly match: string
    /** What it does, as text for people, such as `orders 90 %, orders-next 10 %`. */
    readonly action: string
    /** Services that it forwards to. */
    readonly services: readonly string[]
    readonly filters: readonly string[]
  }[]
  /** Routes beyond `MAX_ANSWER_ITEMS`. */
  readonly omitted: number
  /** The last table that was refused since the one in effect; absent if there was none. */
  readonly refused?: { readonly at: number; readonly error: WireError } | undefined
}
