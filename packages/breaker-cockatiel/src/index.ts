export { createCockatielBreaker } from './cockatiel-breaker.ts'
