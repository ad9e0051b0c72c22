export type { StickyStatistics } from './statistics.ts'
export { createStickyBalancer, type StickyBalancer, type StickyBalancerOptions } from './sticky-balancer.ts'
export { cookieKey, hashKeyOf, headerKey, type StickyKey } from './sticky-keys.ts'
