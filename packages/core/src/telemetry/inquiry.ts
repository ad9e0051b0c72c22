import { channel } from 'node:diagnostics_channel'
import type { DropRule } from '../balancing/cluster.ts'
import type { EndpointOut } from '../balancing/endpoint-blocks.ts'
import type { HealthStatus } from '../instance/service-instance.ts'
import type { HeldList } from '../instance/snapshot.ts'
import type { RegistrationState } from '../registry/registry.ts'
import type { StateReport } from './state-report.ts'
import type { WireError } from './wire-error.ts'

/** Name of the channel on which inquiries are asked. The payload is a {@link Question}. */
const inquiryChannel = 'sd:v1:inquiry'

/**
 * Name of the port at which an instance serves `@sd/admin`, see `InstanceSpec.ports`. A reader of a registry finds the admin
 * endpoint of a process by it.
 */
export const ADMIN_PORT = 'sd-admin'

/** Maximum number of endpoints, routes or checks in one answer. The rest is counted in `omitted`. */
export const MAX_ANSWER_ITEMS = 10_000

/** Result of one monitor's checks of an endpoint. Times are in Unix milliseconds. */
export interface CheckAnswer {
  readonly check: string
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
  readonly instanceId: string
  /** Origin of its URL, such as `http://10.0.0.1:8080`. */
  readonly origin: string
  readonly version?: string | undefined
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
  /** Since when the source has been unreachable, in Unix milliseconds; absent while it is reachable. */
  readonly staleSince?: number | undefined
  /** For a name such as `orders:admin`: number of instances of `orders` without that port. */
  readonly withoutPort?: number | undefined
  /** Instances that are kept although the source no longer lists them. */
  readonly held?: HeldList | undefined
  readonly endpoints: readonly EndpointAnswer[]
  /** Endpoints beyond {@link MAX_ANSWER_ITEMS}. */
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

/** A source of a configuration. Times are in Unix milliseconds. */
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
  readonly config: string
  readonly version: number
  /** When that version took effect, in Unix milliseconds. */
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

/** Rules, alerts, channels and silences of one `Alerts`. Plain data as `@sd/alerts` defines it. Times are in Unix milliseconds. */
export interface AlertsAnswer {
  readonly rules: readonly AlertRuleAnswer[]
  readonly alerts: readonly AlertAnswer[]
  readonly channels: readonly AlertChannelAnswer[]
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
  readonly id: string
  readonly rule: string
  readonly state: 'pending' | 'firing' | 'resolved'
  readonly severity: string
  readonly labels: Readonly<Record<string, string>>
  readonly condition: string
  readonly threshold?: number | undefined
  readonly value?: number | undefined
  readonly activeAt: number
  readonly firingAt?: number | undefined
  readonly resolvedAt?: number | undefined
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
  /** When it was acquired, in Unix milliseconds. */
  readonly since: number
}

/** The lifecycle of a server. */
export interface LifecycleAnswer {
  readonly state: 'created' | 'starting' | 'ready' | 'stopping' | 'stopped'
  /** When it entered that state, in Unix milliseconds. */
  readonly since: number
  /** Its registration; absent before it is registered. */
  readonly registration?:
    | { readonly service: string; readonly instanceId: string; readonly state: RegistrationState; readonly lastError?: WireError }
    | undefined
}

/** Health of this process as its reporter sees it. */
export interface HealthAnswer {
  readonly status: HealthStatus
  readonly isLive: boolean
  readonly isReady: boolean
  readonly checks: readonly (CheckAnswer & {
    /** Effect of a failure: `readiness`, `liveness` or `informational`. */
    readonly kind: string
    readonly details?: Readonly<Record<string, string>> | undefined
  })[]
}

/** A gateway: its listeners, its routes, and the last table that it refused. */
export interface GatewayAnswer {
  readonly gateway: string
  readonly version: number
  /** When that version took effect, in Unix milliseconds. */
  readonly updatedAt: number
  readonly isReady: boolean
  readonly listeners: readonly {
    readonly listener: string
    readonly host: string
    readonly port: number
    readonly protocols: readonly string[]
    readonly isSecure: boolean
    readonly connections: number
  }[]
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
  /** Routes beyond {@link MAX_ANSWER_ITEMS}. */
  readonly omitted: number
  /** The last table that was refused since the one in effect; absent if there was none. */
  readonly refused?: { readonly at: number; readonly error: WireError } | undefined
}

/** What can be asked, and the answers. Answers are plain JSON data. Readers must ignore unknown fields: minor versions add some. */
export interface Inquiries {
  /** Discovery: why endpoints get traffic or not. */
  readonly endpoints: { readonly asks: { readonly service?: string | undefined }; readonly answer: ClusterAnswer }
  /** Clients: balancer, policies and settings by service. */
  readonly calls: { readonly asks: { readonly service?: string | undefined }; readonly answer: CallsAnswer }
  /** Configurations: their sources, and the origin of a value. The path `''` is the whole configuration. */
  readonly config: {
    readonly asks: { readonly config?: string | undefined; readonly path?: string | undefined }
    readonly answer: ConfigAnswer
  }
  /** Alerts. */
  readonly alerts: { readonly asks: object; readonly answer: AlertsAnswer }
  /** Held locks. */
  readonly locks: { readonly asks: object; readonly answer: LockAnswer }
  /** Lifecycles of servers. */
  readonly lifecycle: { readonly asks: object; readonly answer: LifecycleAnswer }
  /** Health reporters. */
  readonly health: { readonly asks: object; readonly answer: HealthAnswer }
  /** Gateways. */
  readonly gateways: { readonly asks: object; readonly answer: GatewayAnswer }
}

/** A kind of inquiry. */
export type InquiryKind = keyof Inquiries

interface Question {
  readonly kind: string
  readonly asks: object
  readonly take: (answer: unknown) => void
}

const inquiries = channel(inquiryChannel)

/**
 * Answers one kind of inquiry until the returned function is called. Must change nothing.
 *
 * @param answer called synchronously; its errors are dropped
 * @returns a function that ends answering
 */
export function answerInquiries<Kind extends InquiryKind>(
  kind: Kind,
  answer: (asks: Inquiries[Kind]['asks']) => Iterable<Inquiries[Kind]['answer']>,
): () => void {
  function respond(question: unknown): void {
    const { kind: asked, asks, take } = question as Question
    if (asked !== kind) return
    try {
      for (const one of answer(asks)) take(one)
    } catch {
      // A failing answer must not end the process, as an error in a subscriber does.
    }
  }
  inquiries.subscribe(respond)
  return () => void inquiries.unsubscribe(respond)
}

/**
 * Asks every live component of this process. It costs nothing while nobody asks.
 *
 * @param asks narrows the answers, such as `{ service: 'orders' }`. @default all
 */
export function inquire<Kind extends InquiryKind>(
  kind: Kind,
  asks: Inquiries[Kind]['asks'] = {},
): readonly Inquiries[Kind]['answer'][] {
  const answers: Inquiries[Kind]['answer'][] = []
  const question: Question = { kind, asks, take: (answer) => void answers.push(answer as Inquiries[Kind]['answer']) }
  inquiries.publish(question)
  return answers
}
