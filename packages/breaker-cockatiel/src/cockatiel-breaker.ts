import { assembleCircuitBreaker } from '@sd/breaker-kit'
import type { CircuitBreaker, CircuitBreakerOptions } from '@sd/core'
import { createCockatielEngine } from './cockatiel-engine.ts'

/**
 * Creates a circuit breaker on cockatiel. It has no connection and no interval. While open it has one timer, which does not
 * keep the process alive.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createCockatielBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  return assembleCircuitBreaker({ createEngine: createCockatielEngine, options })
}
