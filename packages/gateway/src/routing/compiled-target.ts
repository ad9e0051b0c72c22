import type { Endpoint, ServiceInstance } from '@sd/core'
import type { AffinityOutcome } from '../filters/filter.ts'

/** A service, prepared for requests. */
export interface CompiledTarget {
  readonly service: string
  /** Which instances get requests; absent for all. */
  readonly accepts?: ((instance: ServiceInstance) => boolean) | undefined
  /** The affinity of one request, if its route has one. */
  readonly session?: TargetSession | undefined
}

/** The affinity of one request. */
export interface TargetSession {
  /** Absent before an instance has responded. */
  readonly outcome: AffinityOutcome | undefined
  /** For `prefer` of a forwarded request. */
  prefer(endpoints: readonly Endpoint[]): Endpoint | undefined
  /** An instance has responded. Adds `set-cookie` if the client needs another cookie. @param raw names and values in turn */
  responded(endpoint: Endpoint, raw: string[]): void
}
