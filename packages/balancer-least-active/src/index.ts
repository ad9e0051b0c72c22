export { createLeastActiveBalancer, type LeastActiveBalancerOptions } from './least-active-balancer.ts'
