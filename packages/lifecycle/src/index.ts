export type { DrainableServer, LifecycleServer } from './drainable-server.ts'
export type { GrpcServer } from './grpc-server.ts'
export type { HttpServer, RequestListener } from './http-server.ts'
export type { Http2Server } from './http2-server.ts'
export {
  createLifecycle,
  type HealthRequest,
  type HealthResponse,
  type Lifecycle,
  type LifecycleState,
  type ShutdownReport,
} from './lifecycle.ts'
export type { NetServer } from './net-server.ts'
export type { LifecycleOptions, ShutdownHook } from './options.ts'
