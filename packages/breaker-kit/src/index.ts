export { assembleCircuitBreaker, type CircuitEngine, type CircuitEngineSettings } from './assemble-circuit-breaker.ts'
