export { createLanes, type LaneOptions, type Lanes } from './lanes.ts'
export { createSubsetBalancer, type SubsetBalancerOptions } from './subset-balancer.ts'
