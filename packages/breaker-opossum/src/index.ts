export { createOpossumBreaker } from './opossum-breaker.ts'
