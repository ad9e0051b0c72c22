export { createAuthForwardFilter } from './auth-forward-filter.ts'
export type { AuthForwardOptions, DecisionCacheOptions } from './auth-forward-options.ts'
