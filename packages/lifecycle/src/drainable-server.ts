import { invalid } from '@sd/core'
import { createGrpcDrain, type GrpcServer } from './grpc-server.ts'
import { createHttpDrain, type HttpServer } from './http-server.ts'
import { createHttp2Drain, type Http2Server } from './http2-server.ts'

/** What lifecycle does with a server. Implement it for a kind that it does not know; the others are recognised by their methods. */
export interface DrainableServer {
  /** Resolves once it accepts connections, with its port, or with `undefined` if only `instance.port` can tell. */
  whenListening(): Promise<number | undefined>
  /** Called when the instance leaves the registry: from now on asks clients to go elsewhere, and serves them all the same. */
  beginDrain?(): void
  /** Called when callers know: accepts no new connections, and resolves once all requests under way have ended. */
  finishDrain(): Promise<void>
  /** Called if that took longer than `drainTimeoutMs`: cuts what is left. */
  destroy(): void
}

/** A server that lifecycle can drain. */
export type LifecycleServer = DrainableServer | HttpServer | Http2Server | GrpcServer

/** Tells the kind of a server by its methods. @throws SdError `SD_INVALID` if it is of none */
export function toDrainable(server: LifecycleServer): DrainableServer {
  if (has(server, 'whenListening', 'finishDrain', 'destroy')) return server
  if (has(server, 'tryShutdown', 'forceShutdown')) return createGrpcDrain(server)
  // One that allows HTTP/1.1 too has closeIdleConnections as well.
  if (has(server, 'updateSettings', 'close')) return createHttp2Drain(server)
  if (has(server, 'closeIdleConnections', 'closeAllConnections')) return createHttpDrain(server)
  throw invalid('server', typeof server, 'a node:http, node:http2 or grpc-js server, or a DrainableServer')
}

function has<Method extends PropertyKey>(
  server: LifecycleServer,
  ...methods: readonly Method[]
): server is Extract<LifecycleServer, Readonly<Record<Method, unknown>>> {
  return methods.every((method) => typeof Reflect.get(server, method) === 'function')
}
