import { assembleCircuitBreaker } from '@sd/breaker-kit'
import type { CircuitBreaker, CircuitBreakerOptions } from '@sd/core'
import { createOpossumEngine } from './opossum-engine.ts'

/**
 * Creates a circuit breaker on opossum. It has no connection and no interval. While open it has one timer, which does not
 * keep the process alive.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createOpossumBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  return assembleCircuitBreaker({ createEngine: createOpossumEngine, options })
}
