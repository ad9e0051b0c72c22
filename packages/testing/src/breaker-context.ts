import assert from 'node:assert/strict'
import type { CircuitBreaker, CircuitBreakerOptions, CircuitState } from '@sd/core'

/** Connects the breaker contract with an implementation. */
export interface BreakerHarness {
  /** Creates a breaker. */
  readonly create: (options: CircuitBreakerOptions) => CircuitBreaker
  /** Advances timers, `performance.now` and `Date`: use the fake timers of a test runner. */
  readonly advance: (durationMs: number) => Promise<unknown>
}

/** Context of a case of the breaker contract. */
export interface BreakerContext extends BreakerHarness {
  /** Makes calls one after another, with the given results. Returns how many were permitted. */
  readonly calls: (breaker: CircuitBreaker, ...ends: readonly boolean[]) => number
}

/** Asserts the state of a breaker. */
export function assertState(breaker: CircuitBreaker, state: CircuitState, message?: string): void {
  assert.equal(breaker.state, state, message)
}
