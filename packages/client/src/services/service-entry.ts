import type {
  AttachedBalancer,
  AttemptContext,
  CallContext,
  Cluster,
  ClusterExplanation,
  Interceptor,
  StateReport,
} from '@sd/core'
import type { UsualTimes } from '../attempt/usual-times.ts'
import type { DueQueue } from '../call/due-queue.ts'
import type { ServicePolicies } from '../policies/policies.ts'
import type { ResolvedSettings } from '../settings/settings.ts'

/** Time limits of the calls of one entry. */
export interface ServiceDue {
  /** Deadlines of calls. */
  readonly deadlines: DueQueue
  /** Limits of attempts, which are shorter. */
  readonly limits: DueQueue
  /** Limit of the attempt that began last, in milliseconds; infinite while none had one. Calls expect one like it. */
  lastLimitMs: number
}

/** A service, or one of its operations, as one client calls it, with the settings of the moment. */
export interface ServiceEntry {
  /** Name of the service. */
  readonly service: string
  /** The operation that the settings are for, such as `GET /stock/{id}`; absent for those of the service. */
  readonly operation?: string | undefined
  /** Its endpoints. */
  readonly cluster: Cluster
  /** The balancer at work on them. */
  readonly attached: AttachedBalancer
  /** Its settings. */
  readonly settings: ResolvedSettings
  /** Its policies. */
  readonly policies: ServicePolicies
  /** How long its kinds of requests usually take. */
  readonly usualTimes: UsualTimes
  /** Around every call, the first outermost. */
  readonly callInterceptors: readonly Interceptor<CallContext>[]
  /** Around every attempt, the first outermost. */
  readonly attemptInterceptors: readonly Interceptor<AttemptContext>[]
  /** When its calls must have ended. */
  readonly due: ServiceDue
  /** A call with this entry begins. */
  enter(): void
  /** A call with this entry has ended: its body was read, or it failed. Once for each {@link ServiceEntry.enter}. */
  leave(): void
}

/** Why a service's endpoints get traffic or not, and the state of its policies. */
export interface ServiceExplanation {
  /** Its endpoints. */
  readonly cluster: ClusterExplanation
  /** Name of the balancer. */
  readonly balancer: string
  /** State of its policies, and of those that an operation has of its own. */
  readonly policies: readonly StateReport[]
  /** Its operations, as their settings name them. */
  readonly operations: readonly string[]
}
