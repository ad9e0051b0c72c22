import { assembleCircuitBreaker } from '@sd/breaker-kit'
import type { CircuitBreaker, CircuitBreakerOptions } from '@sd/core'
import { createOpossumEngine } from './opossum-engine.ts'

/**
 * A circuit breaker on opossum. It owns no connection and no interval; while open it has one timer, which keeps no process alive.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createOpossumBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  return assembleCircuitBreaker(createOpossumEngine, options)
}
