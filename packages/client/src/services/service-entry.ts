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
  /** Limit of the most recent attempt, in milliseconds; infinite if it had none. Calls expect the same limit. */
  lastLimitMs: number
}

/** A service, or one of its operations, as one client calls it, with the current settings. */
export interface ServiceEntry {
  /** Name of the service. */
  readonly service: string
  /** The operation that the settings are for, such as `GET /stock/{id}`; absent for those of the service. */
  readonly operation?: string | undefined
  /** Its endpoints. */
  readonly cluster: Cluster
  /** The balancer attached to them. */
  readonly attached: AttachedBalancer
  /** Its settings. */
  readonly settings: ResolvedSettings
  /** Its policies. */
  readonly policies: ServicePolicies
  /** Usual response times of its kinds of requests. */
  readonly usualTimes: UsualTimes
  /** Around every call, the first outermost. */
  readonly callInterceptors: readonly Interceptor<CallContext>[]
  /** Around every attempt, the first outermost. */
  readonly attemptInterceptors: readonly Interceptor<AttemptContext>[]
  /** Time limits of its calls. */
  readonly due: ServiceDue
  /** A call with this entry begins. */
  enter(): void
  /** A call with this entry has ended: its body was read, or it failed. Once for each {@link ServiceEntry.enter}. */
  leave(): void
}

/** Why the endpoints of a service get traffic or not, and the state of its policies. */
export interface ServiceExplanation {
  /** Its endpoints. */
  readonly cluster: ClusterExplanation
  /** Name of the balancer. */
  readonly balancer: string
  /** State of its policies, and of those that its operations do not share. */
  readonly policies: readonly StateReport[]
  /** Its operations, as named in the settings. */
  readonly operations: readonly string[]
}
