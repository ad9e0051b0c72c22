import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2Server, createSecureServer } from 'node:http2'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Certificate } from '@sd/test-servers'
import { WebSocketServer } from 'ws'
import type { LifecycleServer } from '../index.ts'

/** A server on loopback that responds with the body of the request after a few milliseconds. */
export interface EchoServer {
  readonly server: LifecycleServer
  readonly port: number
}

/** Time per request, in milliseconds, so that there are always requests in progress. */
export const responseMs: number = 5

/** The common part of requests of `node:http` and `node:http2`. */
interface EchoRequest extends AsyncIterable<unknown> {
  readonly url?: string | undefined
}

/** Responds with the body of the request, after the milliseconds in its path, if there are any. */
async function echo(request: EchoRequest, response: { end(body: string): unknown }): Promise<void> {
  let body = ''
  for await (const chunk of request) body += chunk
  await delay(Number(request.url?.slice(1)) || responseMs)
  response.end(body)
}

async function listen<Listening extends NetServer & LifecycleServer>(server: Listening): Promise<EchoServer> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** HTTP/1.1. */
export function startHttpServer(): Promise<EchoServer> {
  return listen(createServer((request, response) => void echo(request, response)))
}

/** WebSockets: responds to a message with the same message. */
export async function startWebSocketServer(): Promise<EchoServer> {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (message) => setTimeout(() => socket.send(String(message)), responseMs))
  })
  return listen(server)
}

/** HTTP/2 without TLS. */
export function startHttp2Server(): Promise<EchoServer> {
  return listen(createHttp2Server((request, response) => void echo(request, response)))
}

/** HTTP/2 over TLS, and HTTP/1.1 for clients that request it. */
export function startSecureServer(certificate: Certificate): Promise<EchoServer> {
  return listen(createSecureServer({ ...certificate, allowHTTP1: true }, (request, response) => void echo(request, response)))
}
