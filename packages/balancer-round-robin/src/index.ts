export { createRoundRobinBalancer, type RoundRobinBalancerOptions } from './round-robin-balancer.ts'
