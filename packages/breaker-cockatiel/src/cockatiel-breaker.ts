import { assembleCircuitBreaker } from '@sd/breaker-kit'
import type { CircuitBreaker, CircuitBreakerOptions } from '@sd/core'
import { createCockatielEngine } from './cockatiel-engine.ts'

/**
 * A circuit breaker on cockatiel. It owns no connection and no interval; while open it has one timer, which keeps no process alive.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createCockatielBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  return assembleCircuitBreaker(createCockatielEngine, options)
}
