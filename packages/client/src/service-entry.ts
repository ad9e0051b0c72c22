import type { AttachedBalancer, AttemptContext, CallContext, Cluster, Interceptor, RetryPolicy } from '@sd/core'

/** A service as one client calls it. */
export interface ServiceEntry {
  /** Name of the service. */
  readonly service: string
  /** Its endpoints. */
  readonly cluster: Cluster
  /** The balancer at work on them. */
  readonly attached: AttachedBalancer
  /** Default time limit of a call, in milliseconds; 0 for none. */
  readonly timeoutMs: number
  /** Header fields of every call, names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Decides whether a call is tried again. */
  readonly retry: RetryPolicy
  /** Around every call, the first outermost. */
  readonly callInterceptors: readonly Interceptor<CallContext>[]
  /** Around every attempt, the first outermost. */
  readonly attemptInterceptors: readonly Interceptor<AttemptContext>[]
}
