export {
  assembleCircuitBreaker,
  type CircuitBreakerAdapter,
  type CircuitEngine,
  type CircuitEngineSettings,
} from './assemble-circuit-breaker.ts'
