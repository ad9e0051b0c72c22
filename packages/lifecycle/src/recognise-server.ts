import { invalidError } from '@sd/core'
import { type BunServer, createBunDrain } from './bun-server.ts'
import { createDenoDrain, type DenoServer } from './deno-server.ts'
import type { DrainableServer } from './drainable-server.ts'
import { createFastifyDrain, type FastifyApp } from './fastify-app.ts'
import { createGrpcDrain, type GrpcServer } from './grpc-server.ts'
import { createHttpDrain, type HttpServer } from './http-server.ts'
import { createHttp2Drain, type Http2Server } from './http2-server.ts'

/** A server that lifecycle can drain. */
export type LifecycleServer = DrainableServer | HttpServer | Http2Server | GrpcServer | FastifyApp | BunServer | DenoServer

/** Objects that are often passed instead of a server, by their methods, with what to pass instead. */
const mistakes: readonly (readonly [methods: readonly string[], what: string, give: string])[] = [
  [['getHttpServer', 'listen', 'init'], 'a Nest application', 'app.getHttpServer()'],
  [['handle', 'listen', 'use'], 'an Express application', 'the server that app.listen() returns'],
  [['callback', 'listen', 'use'], 'a Koa application', 'the server that app.listen() returns'],
  [['fetch', 'request', 'route'], 'a Hono application', 'the server that serve(), Bun.serve() or Deno.serve() returns'],
  [['handleUpgrade', 'shouldHandle'], 'a WebSocketServer', 'the node:http server to which it is attached'],
]

/** Detects the kind of a server by its methods. @throws SdError `SD_INVALID` for an unknown kind, with a hint if there is one */
export function toDrainable(server: LifecycleServer): DrainableServer {
  if (has(server, 'whenListening', 'finishDrain', 'destroy')) return server
  if (has(server, 'tryShutdown', 'forceShutdown')) return createGrpcDrain(server)
  // First, because an HTTP/2 server that allows HTTP/1.1 has closeIdleConnections too.
  if (has(server, 'updateSettings', 'close')) return createHttp2Drain(server)
  if (has(server, 'closeIdleConnections', 'closeAllConnections')) return createHttpDrain(server)
  if (has(server, 'addHook', 'close') && typeof server.server === 'object') return createFastifyDrain(server)
  if (has(server, 'stop') && 'pendingRequests' in server) return createBunDrain(server)
  if (has(server, 'shutdown') && 'finished' in server) return createDenoDrain(server)
  const found = mistakes.find(([methods]) => methods.every((method) => typeof Reflect.get(server, method) === 'function'))
  if (found) throw invalidError('server', found[1], found[2])
  throw invalidError(
    'server',
    typeof server,
    'a node:http, node:http2, grpc-js, Bun or Deno server, a Fastify application, or a DrainableServer',
  )
}

function has<Method extends PropertyKey>(
  server: LifecycleServer,
  ...methods: readonly Method[]
): server is Extract<LifecycleServer, Readonly<Record<Method, unknown>>> {
  return methods.every((method) => typeof Reflect.get(server, method) === 'function')
}
