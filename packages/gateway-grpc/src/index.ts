export { createGrpc, type GrpcOptions } from './grpc.ts'
export type { GrpcRouteOptions } from './grpc-call.ts'
