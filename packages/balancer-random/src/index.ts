export { createRandomBalancer, type RandomBalancerOptions } from './random-balancer.ts'
