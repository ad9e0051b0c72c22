import type { Outcome } from './endpoint.ts'

/** Leave to do one piece of work. */
export interface Permit {
  /** Tells how the work ended; exactly once, when it has really ended: body read, failed or aborted. Later calls do nothing. */
  settle(outcome: Outcome): void
}

/** A policy in two phases: acquire a permit, settle it when the work has really ended. */
export interface AdmissionPolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /** A permit, or `undefined` if the work is refused now. */
  tryAcquire(): Permit | undefined
}

/** `closed` lets calls through, `open` refuses them, `half-open` lets a few through as trials. */
export type CircuitState = 'closed' | 'open' | 'half-open'

/** Stops calling what keeps failing. */
export interface CircuitBreaker extends AdmissionPolicy {
  /** How the circuit is now. */
  readonly state: CircuitState
}
