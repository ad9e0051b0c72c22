import assert from 'node:assert/strict'
import type { CircuitBreaker, CircuitBreakerOptions, CircuitState } from '@sd/core'

/** How the breaker contract reaches an implementation. */
export interface BreakerHarness {
  /** Makes a breaker. */
  readonly create: (options: CircuitBreakerOptions) => CircuitBreaker
  /** Lets time pass, for timers, `performance.now` and `Date` alike: the fake timers of a test runner. */
  readonly advance: (durationMs: number) => Promise<unknown>
}

/** What a case of the breaker contract is given. */
export interface BreakerContext extends BreakerHarness {
  /** Ends calls one after another, each as `ok` says; how many were let through. */
  readonly calls: (breaker: CircuitBreaker, ...ends: readonly boolean[]) => number
}

/** Asserts how a breaker is. */
export function assertState(breaker: CircuitBreaker, state: CircuitState, message?: string): void {
  assert.equal(breaker.state, state, message)
}
