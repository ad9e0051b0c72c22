export { createP2cBalancer, type P2cBalancerOptions } from './p2c-balancer.ts'
