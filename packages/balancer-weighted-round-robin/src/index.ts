export { createWeightedRoundRobinBalancer, type WeightedRoundRobinBalancerOptions } from './weighted-round-robin-balancer.ts'
