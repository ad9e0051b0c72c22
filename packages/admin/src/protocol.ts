import type {
  AlertsAnswer,
  CallsAnswer,
  ClusterAnswer,
  ConfigAnswer,
  GatewayAnswer,
  HealthAnswer,
  LifecycleAnswer,
  LockAnswer,
  StateReport,
  WireError,
} from '@sd/core'

// What an admin endpoint answers, as JSON. Version 1 only gains fields: readers ignore those that they don't know. All times
// are in Unix milliseconds of the process that answers; `now` says what its clock shows.

/** Version of the protocol, and the prefix of its paths. */
export const ADMIN_PROTOCOL = 1

/** Prefix of all paths. */
export const ADMIN_PATH = '/sd/v1'

/** What may be changed through an endpoint. A control that was not handed over does not exist. */
export type AdminControl = 'breakers' | 'config' | 'alerts' | 'draining' | 'registrations' | 'histories' | 'log-level' | 'calls'

/** `GET /`: the process. */
export interface ProcessInfo {
  /** Version of the protocol. */
  readonly protocol: typeof ADMIN_PROTOCOL
  /** Differs for every start of a process. Two endpoints with one id are the same process. */
  readonly processId: string
  readonly host: string
  /** Id of the process on its host. */
  readonly pid: number
  /** Id of the worker thread; absent in the main thread. */
  readonly thread?: number | undefined
  /** The instances that this process registered. */
  readonly instances: readonly { readonly service: string; readonly instanceId: string }[]
  /** What it calls itself if it registers nothing, such as `cron`; otherwise its first service. */
  readonly name: string
  /** When the process started. */
  readonly startedAt: number
  /** What its clock shows. */
  readonly now: number
  /** Version of Node.js, such as `v24.1.0`. */
  readonly node: string
  /** Versions of the loaded packages of this project, by name. More than one version of a package is possible. */
  readonly packages: Readonly<Record<string, readonly string[]>>
  /** What may be changed. Empty: this endpoint is read-only. */
  readonly controls: readonly AdminControl[]
}

/** Upper bounds of the buckets of {@link EdgeCounts.latency}, in milliseconds. The last bucket has no bound. */
export const LATENCY_BOUNDS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]

/** Calls from this process to one service, or attempts at one instance of it, counted since `since`. */
export interface EdgeCounts {
  /** The called service. */
  readonly service: string
  /** The instance, for attempts; absent for calls. */
  readonly instanceId?: string | undefined
  /** Number of calls or attempts that have ended. */
  readonly total: number
  /** Failures by error code, or `HTTP 5xx`. */
  readonly failed: Readonly<Record<string, number>>
  /** Attempts after a failed one; 0 for an instance. */
  readonly retries: number
  /** Attempts while another one was pending; 0 for an instance. */
  readonly hedges: number
  /** Calls that a policy refused, by policy and name, such as `breaker orders`. */
  readonly refused: Readonly<Record<string, number>>
  /** Number of responses by duration, see {@link LATENCY_BOUNDS}. */
  readonly latency: readonly number[]
  /** Sum of the durations in milliseconds. */
  readonly latencySumMs: number
}

/** `GET /edges`: the services and instances that this process calls. */
export interface EdgesReport {
  /** Start of the counters. */
  readonly since: number
  /** Each service, followed by its instances. */
  readonly edges: readonly EdgeCounts[]
  /** Services or instances that found no room in the table. */
  readonly omitted: number
}

/** How the process itself is. */
export interface SystemReport {
  /** Share of one core, from 0; above 1 with several threads. Over the last sample. */
  readonly cpu: number
  /** Memory of the process, in bytes. */
  readonly residentBytes: number
  /** Used part of the heap, in bytes. */
  readonly heapUsedBytes: number
  /** Size that the heap can reach, in bytes. */
  readonly heapLimitBytes: number
  /** 99th percentile of the delay of the event loop in the last sample, in milliseconds. */
  readonly loopDelayMs: number
  /** Time since the start of the process. */
  readonly uptimeMs: number
  /** Databases that `@sd/metrics-prometheus` or a health check watches. */
  readonly databases: readonly {
    readonly database: string
    readonly isUp: boolean
    readonly latencyMs?: number | undefined
    readonly details?: Readonly<Record<string, number>> | undefined
  }[]
}

/** `GET /snapshot`: what a reader polls, in one answer. It has an ETag. */
export interface ProcessSnapshot {
  readonly info: ProcessInfo
  /** State of every live component. */
  readonly states: readonly StateReport[]
  readonly edges: EdgesReport
  readonly system: SystemReport
  /** Its servers. */
  readonly lifecycles: readonly LifecycleAnswer[]
  readonly health: readonly HealthAnswer[]
  readonly alerts: readonly AlertsAnswer[]
  /** Locks that it holds. */
  readonly locks: readonly LockAnswer[]
  /** Its configurations, without values. */
  readonly configs: readonly ConfigAnswer[]
  /** Gateways that run in it. */
  readonly gateways: readonly GatewayAnswer[]
}

/** `GET /endpoints`, `/calls`, `/config`, `/alerts`, `/locks`, `/lifecycle`, `/health`, `/gateways`: the answers of an inquiry. */
export interface AnswersReport<Answer = ClusterAnswer | CallsAnswer | ConfigAnswer> {
  readonly answers: readonly Answer[]
}

/** `GET /samples`: one value each second, for at most five minutes. */
export interface SamplesReport {
  /** Time of the last value. */
  readonly endsAt: number
  /** Time between two values, in milliseconds. */
  readonly intervalMs: number
  /** Values by name, oldest first. */
  readonly series: readonly {
    /** Such as `cpu`, `loopDelayMs`, `calls`, `failed`. */
    readonly name: string
    /** The called service, for series of calls. */
    readonly service?: string | undefined
    /** `null` where there is no value. */
    readonly values: readonly (number | null)[]
  }[]
}

/** One call of {@link SlowReport}. Its path has no query. */
export interface CallRecord {
  /** When it ended. */
  readonly at: number
  readonly service: string
  readonly method: string
  readonly path: string
  /** Time to the end of the body or the failure, in milliseconds. */
  readonly durationMs: number
  /** Number of attempts. */
  readonly attempts: number
  /** Instance of the last attempt, if known. */
  readonly instanceId?: string | undefined
  /** Status of the response, if there was one. */
  readonly status?: number | undefined
  /** Why it failed; absent for a response. */
  readonly error?: WireError | undefined
}

/** `GET /slow`: the slowest and the last failed calls of five minutes, at most 50 of each. */
export interface SlowReport {
  /** Slowest first. */
  readonly slowest: readonly CallRecord[]
  /** Latest first. */
  readonly failed: readonly CallRecord[]
}

/** One event of `GET /events` (server-sent events): something changed. Never one per call. */
export interface ProcessEvent {
  /** Increases by one; the `id` of the event stream. */
  readonly id: number
  /** When it happened. */
  readonly at: number
  /** What changed. */
  readonly kind:
    | 'backend'
    | 'registration'
    | 'instances'
    | 'breaker'
    | 'ejection'
    | 'panic'
    | 'config'
    | 'config-write'
    | 'lock'
    | 'alert'
    | 'gateway'
    | 'lifecycle'
    | 'change'
  /** The service, if it is about one. */
  readonly service?: string | undefined
  /** The instance, if it is about one. */
  readonly instanceId?: string | undefined
  /** One sentence for people. */
  readonly text: string
  /** How urgent it is. */
  readonly severity: 'info' | 'warning' | 'critical'
  /** Author of a change, if known. */
  readonly by?: string | undefined
}

/** `GET /states`: the state of every live component. */
export interface StatesReport {
  /** One report for each component. */
  readonly states: readonly StateReport[]
}

/** A version of an entry, without its content. */
export interface HistoryVersion {
  readonly version: number
  /** Such as `put`, `delete`, `rollback`, or `external` for a change by something else. */
  readonly change: string
  /** Such as `written`, or `failed` if it never took effect. */
  readonly state: string
  /** When it was recorded. */
  readonly at: number
  /** Author, if known. */
  readonly author?: string | undefined
  /** Reason for the change. */
  readonly comment?: string | undefined
  /** The version that a rollback restored. */
  readonly of?: number | undefined
}

/** `GET /histories`: names of the histories that were handed over. */
export interface HistoriesReport {
  /** Names, as in the option `controls.histories`. */
  readonly histories: readonly string[]
}

/** `GET /histories/{name}`: versions of an entry, newest first. */
export interface HistoryReport {
  /** Name of the history. */
  readonly history: string
  readonly versions: readonly HistoryVersion[]
}

/** `GET /histories/{name}/diff?before=&after=`: values that differ. Secrets are masked. */
export interface HistoryDiffReport {
  /** One for each value that was added, updated or removed. */
  readonly differences: readonly {
    readonly path: string
    readonly kind: string
    readonly before?: unknown
    readonly after?: unknown
  }[]
}

/**
 * Response to a change: a `POST` with `content-type: application/json`, `x-sd-console: 1` and a body with `reason`.
 *
 * | path | other members of the body | control |
 * |---|---|---|
 * | `/breakers/{service}`, `/breakers/{service}/{instanceId}` | `state`: `open`, `closed` or `isolated` | `breakers` |
 * | `/config/reload` | | `config` |
 * | `/config/set` | `path`, `value` | `config` |
 * | `/config/unset` | `path` | `config` |
 * | `/alerts/silences` | `durationMs`, and `rule` or `labels` | `alerts` |
 * | `/alerts/silences/{id}/expire` | | `alerts` |
 * | `/alerts/rules/{name}` | `enabled` | `alerts` |
 * | `/draining` | `draining`, and `service` and `instanceId` to choose | `draining` |
 * | `/log-level` | `level` | `log-level` |
 * | `/histories/{name}/rollback` | `version`, `ifVersion` | `histories` |
 * | `/histories/{name}/put` | `content`, `ifVersion` | `histories` |
 * | `/calls/try` | `service`, `path`, and `method`, `headers`, `timeoutMs`; `after` is a {@link TryCallReport} | `calls` |
 *
 * Names in a path are encoded by `encodeURIComponent`.
 */
export interface ChangeReport {
  /** Such as `breaker.set`. */
  readonly action: string
  /** What was changed, such as `orders/orders-1`. */
  readonly target: string
  /** State before, if it is known. Secrets are masked. */
  readonly before?: unknown
  /** State after. Secrets are masked. */
  readonly after?: unknown
}

/** Result of `POST /calls/try`. What the service responded is not in it. */
export interface TryCallReport {
  readonly service: string
  /** Status of the response, if there was one. */
  readonly status?: number | undefined
  /** Why the call failed; absent for a response. */
  readonly error?: WireError | undefined
  /** Time to the end of the body or the failure, in milliseconds. */
  readonly durationMs: number
  /** What happened, in order. `atMs` is the time since the start in milliseconds. */
  readonly steps: readonly {
    readonly atMs: number
    readonly step: string
    readonly attempt?: number | undefined
    readonly origin?: string | undefined
    readonly detail?: string | undefined
  }[]
}

/** A change that was made, or refused, through an endpoint. */
export interface AuditEntry {
  /** When it was made or refused. */
  readonly at: number
  /** Name of the principal. */
  readonly by: string
  /** Address of the client. */
  readonly from: string
  /** Such as `breaker.open`. */
  readonly action: string
  /** What was changed, such as `orders/orders-1`. */
  readonly target: string
  /** Why, in the words of the principal. */
  readonly reason: string
  /** State before, if it is known. Secrets are masked. */
  readonly before?: unknown
  /** State after. Secrets are masked. */
  readonly after?: unknown
  /** Why it was refused or failed; absent for a change that was made. */
  readonly error?: WireError | undefined
}

/** The body of an error response. */
export interface AdminErrorBody {
  readonly error: WireError
}
