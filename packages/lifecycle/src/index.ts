export { type AdvertisedAddressOptions, advertisedAddress } from './advertised-address.ts'
export type { BunServer } from './bun-server.ts'
export type { DenoServer } from './deno-server.ts'
export type { DrainableServer } from './drainable-server.ts'
export type { FastifyApp } from './fastify-app.ts'
export type { GrpcServer } from './grpc-server.ts'
export type { HttpServer } from './http-server.ts'
export type { Http2Server } from './http2-server.ts'
export {
  createLifecycle,
  type HealthRequest,
  type HealthResponse,
  type Lifecycle,
  type LifecycleState,
  type ShutdownReport,
} from './lifecycle.ts'
export type { EmittingServer, NetServer } from './net-server.ts'
export type { OpenWork } from './open-work.ts'
export type { LifecycleOptions, ShutdownHook } from './options.ts'
export { createProbeResponse, type HealthSource, type ProbeResponse } from './probe-response.ts'
export type { LifecycleServer } from './recognise-server.ts'
