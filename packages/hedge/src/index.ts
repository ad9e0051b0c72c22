export { createHedge, type Hedge } from './hedge.ts'
export { createHedgePolicy, type HedgePolicyOptions } from './hedge-policy.ts'
export type { HedgeOptions } from './options.ts'
