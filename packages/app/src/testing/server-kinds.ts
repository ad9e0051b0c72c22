import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import type { BunServer, DenoServer, LifecycleServer } from '@sd/lifecycle'
import type { App, AppInstance } from '../index.ts'

/** A server that was started, and what is registered of it besides. */
export type StartedServer = readonly [server: LifecycleServer, instance?: AppInstance]

type StartServer = (app: App) => StartedServer | Promise<StartedServer>
type FetchHandler = (request: Request) => Response | Promise<Response>

/** The globals of Bun and Deno that are used here. Their types would change those of all packages. */
declare const Bun: { serve(options: { port: number; hostname: string; fetch: FetchHandler }): BunServer }
declare const Deno: { serve(options: { port: number; hostname: string; onListen(): void }, handler: FetchHandler): DenoServer }

const host = '127.0.0.1'

/** How long a path says that its response takes, in milliseconds: `/25`. */
function waitOf(path: string = ''): number {
  return Number(/\d+/.exec(path)?.[0] ?? 0)
}

async function answerLater(path: string | undefined): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, waitOf(path)))
  return 'done'
}

function answerNode(app: App): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    if (!app.handle(request, response)) void answerLater(request.url).then((text) => response.end(text))
  }
}

function answerFetch(app: App): FetchHandler {
  return (request) => app.respond(request) ?? answerLater(new URL(request.url).pathname).then((text) => new Response(text))
}

async function makeHono(app: App): Promise<{ readonly fetch: FetchHandler }> {
  const { Hono } = await import('hono')
  const web = new Hono()
  web.use((context, next) => app.respond(context.req.raw) ?? next())
  return web.all('*', async (context) => context.text(await answerLater(context.req.path)))
}

/** Certificate and key in PEM, from the test. */
const secrets = { cert: process.env['CERT'] ?? '', key: process.env['KEY'] ?? '' }

/** Starts one server of each kind, by its name in the tests. What a kind needs is loaded only for it. */
export const serverKinds: Readonly<Record<string, StartServer>> = {
  'node:http': (app) => [createServer(answerNode(app)).listen(0, host)],
  async 'node:https'(app) {
    const https = await import('node:https')
    return [https.createServer(secrets, answerNode(app)).listen(0, host), { protocol: 'https' }]
  },
  async 'node:http2'(app) {
    const http2 = await import('node:http2')
    const server = http2.createSecureServer({ ...secrets, allowHTTP1: true }, (request, response) => {
      if (!app.handle(request, response)) void answerLater(request.url).then((text) => response.end(text))
    })
    return [server.listen(0, host), { protocol: 'https' }]
  },
  async Express(app) {
    const { default: express } = await import('express')
    const web = express().use(app.middleware)
    web.use(async (request, response) => void response.end(await answerLater(request.url)))
    return [web.listen(0, host)]
  },
  async Koa(app) {
    const { default: Koa } = await import('koa')
    const web = new Koa()
    web.use((context, next) => {
      if (!app.handle(context.req, context.res)) return next()
      context.respond = false
      return undefined
    })
    web.use(async (context) => {
      context.body = await answerLater(context.path)
    })
    return [web.listen(0, host)]
  },
  async 'Hono on Node'(app) {
    // Without its types, which need those of a browser.
    const { serve } = await import(String('@hono/node-server'))
    return [serve({ ...(await makeHono(app)), port: 0, hostname: host })]
  },
  async 'Hono on Bun'(app) {
    const { fetch } = await makeHono(app)
    return [Bun.serve({ port: 0, hostname: host, fetch })]
  },
  async 'Hono on Deno'(app) {
    const { fetch } = await makeHono(app)
    return [Deno.serve({ port: 0, hostname: host, onListen: () => undefined }, (request) => fetch(request))]
  },
  'Bun.serve': (app) => [Bun.serve({ port: 0, hostname: host, fetch: answerFetch(app) })],
  'Deno.serve': (app) => [Deno.serve({ port: 0, hostname: host, onListen: () => undefined }, answerFetch(app))],
  async 'grpc-js'() {
    const { Server, ServerCredentials } = await import('@grpc/grpc-js')
    const pass = (bytes: Buffer): Buffer => bytes
    const codec = { requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass }
    const server = new Server()
    server.addService(
      { Wait: { path: '/test.Test/Wait', requestStream: false, responseStream: false, ...codec } },
      {
        Wait(call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) {
          void answerLater(String(call.request)).then((text) => callback(null, Buffer.from(text)))
        },
      },
    )
    const port = await promisify(server.bindAsync.bind(server))(`${host}:0`, ServerCredentials.createInsecure())
    return [server, { port, protocol: 'grpc' }]
  },
}
