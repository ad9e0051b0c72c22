import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { subscribeTelemetry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished } from 'vitest'
import { type AuthForwardOptions, createAuthForwardFilter } from '../index.ts'

/** A request that the authorisation service received. */
export type Question = Pick<IncomingMessage, 'method' | 'url' | 'headers'> & { readonly body: string }

/** What a client gets, and the fields that reached the service, if it did. */
export interface EdgeResponse {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly received: IncomingMessage['headers'] | undefined
}

/** A gateway before a service `orders`, which asks a service `auth`. */
export interface Edge {
  send(
    route: string,
    init?: { readonly method?: string; readonly headers?: readonly string[]; readonly body?: string },
  ): Promise<EdgeResponse>
  /** What the authorisation service was asked. */
  readonly questions: Question[]
  /** How it responds. */
  respond(question: Question, response: ServerResponse): void
  /** Ends it. */
  kill(): Promise<void>
  readonly identities: (string | undefined)[]
}

async function start(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** Starts a gateway with a route for each list of options, until the end of the test. @param routes without `url`: that of the service */
export async function startEdge(routes: Readonly<Record<string, Partial<AuthForwardOptions>>>): Promise<Edge> {
  const orders = await start(({ headers }, response) => {
    response.setHeader('set-cookie', 'own=1')
    response.end(JSON.stringify(headers))
  })
  const auth = await start(async (message, response) => {
    response.on('error', () => undefined)
    let body = ''
    for await (const chunk of message) body += chunk
    const question = { method: message.method, url: message.url, headers: message.headers, body }
    edge.questions.push(question)
    edge.respond(question, response)
  })
  const source = createStaticRegistry({
    instances: [
      { service: 'orders', address: '127.0.0.1', port: orders.port },
      { service: 'auth', address: '127.0.0.1', port: auth.port },
    ],
  })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const gateway = await createGateway({
    client,
    filters: { 'auth-forward': createAuthForwardFilter() },
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] }],
      routes: Object.entries(routes).map(([name, options]) => ({
        name,
        match: { path: `/${name}/*` },
        forward: { service: 'orders' },
        filters: [{ filter: 'auth-forward', url: `http://127.0.0.1:${auth.port}/check?a=b`, ...options }],
      })),
    },
  })
  const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  const edge: Edge = {
    questions: [],
    identities: [],
    respond: (_, response) => void response.end(),
    send: (route, init) => send(`${url}/${route}`, init),
    async kill() {
      const closed = once(auth.server, 'close')
      auth.server.close().closeAllConnections()
      await closed
    },
  }
  const stop = subscribeTelemetry('sd:v1:gateway:exchange', ({ exchange }) => void edge.identities.push(exchange.identity))
  onTestFinished(async () => {
    stop()
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close()])
    for (const { server } of [orders, auth]) server.close().closeAllConnections()
  })
  return edge
}

function send(url: string, { method = 'GET', headers = [], body }: Parameters<Edge['send']>[1] = {}): Promise<EdgeResponse> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? [] : ['content-length', String(body.length)]
    const fields = ['host', 'shop.example', ...length, ...headers]
    const sent = request(url, { method, headers: fields, agent: false }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      const status = response.statusCode ?? 0
      const received = status === 200 ? (JSON.parse(text || '{}') as IncomingMessage['headers']) : undefined
      resolve({ status, headers: response.headers, body: text, received })
    })
    sent.on('error', reject).end(body)
  })
}
