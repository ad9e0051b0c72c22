export { createUdp } from './udp.ts'
export type { UdpRouteOptions } from './udp-options.ts'
