export type { StickyStatistics } from './statistics.ts'
export { createStickyBalancer, type StickyBalancer, type StickyBalancerOptions } from './sticky-balancer.ts'
export {
  type ClientAddressOptions,
  clientAddressKey,
  cookieKey,
  hashKeyOf,
  headerKey,
  type StickyKey,
  type StickyRequest,
} from './sticky-keys.ts'
