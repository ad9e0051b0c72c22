export { createHedge, type Hedge } from './hedge.ts'
export type { HedgeAttempt } from './hedged-call.ts'
export type { EndedAttempt, HedgeOptions } from './options.ts'
