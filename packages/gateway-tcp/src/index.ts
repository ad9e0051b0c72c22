export { createTcp } from './tcp.ts'
export type { TcpRouteOptions } from './tcp-options.ts'
