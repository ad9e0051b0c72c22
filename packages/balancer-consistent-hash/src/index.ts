export { type ConsistentHashBalancerOptions, createConsistentHashBalancer } from './consistent-hash-balancer.ts'
