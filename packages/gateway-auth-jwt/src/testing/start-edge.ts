import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { subscribeTelemetry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type GatewayFilter } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished } from 'vitest'
import { type AuthJwtOptions, createAuthJwtFilter } from '../index.ts'

/** What a client gets, and what reached the service, if anything did. */
export interface EdgeResponse {
  readonly status: number
  /** The `www-authenticate` field. */
  readonly challenge: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  /** Fields that the service received. */
  readonly received: Readonly<Record<string, string>> | undefined
}

/** A gateway before a service that responds with the fields it received. */
export interface Edge {
  /** Sends a request to a route, with names and values of fields in turn, or with a token. */
  send(route: string, fields?: readonly string[] | string): Promise<EdgeResponse>
  /** Identities in the events of the gateway. */
  readonly identities: (string | undefined)[]
}

/** Starts a gateway with a route for each list of options, until the end of the test. @param issuerPort of a service `issuer` */
export async function startEdge(
  routes: Readonly<Record<string, AuthJwtOptions>>,
  { issuerPort, later }: { readonly issuerPort?: number; readonly later?: GatewayFilter } = {},
): Promise<Edge> {
  const server = createServer(({ headers }, response) => response.end(JSON.stringify(headers)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const instances = [{ service: 'orders', address: '127.0.0.1', port }]
  if (issuerPort !== undefined) instances.push({ service: 'issuer', address: '127.0.0.1', port: issuerPort })
  const source = createStaticRegistry({ instances })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const gateway = await createGateway({
    client,
    filters: { 'auth-jwt': createAuthJwtFilter(), ...(later && { later: () => later }) },
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
      routes: Object.entries(routes).map(([name, options]) => ({
        name,
        match: { path: `/${name}` },
        forward: { service: 'orders' },
        filters: [{ filter: 'auth-jwt', ...options }, ...(later ? [{ filter: 'later' }] : [])],
      })),
    },
  })
  const identities: (string | undefined)[] = []
  const stop = subscribeTelemetry('sd:v1:gateway:exchange', ({ exchange }) => void identities.push(exchange.identity))
  onTestFinished(async () => {
    stop()
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close()])
    server.close().closeAllConnections()
  })
  const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
  return { identities, send: (route, fields = []) => send(`${url}/${route}`, fields) }
}

function send(url: string, fields: readonly string[] | string): Promise<EdgeResponse> {
  const headers = typeof fields === 'string' ? ['authorization', `Bearer ${fields}`] : [...fields]
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers: ['host', 'edge.example', ...headers], agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      const status = response.statusCode ?? 0
      const received = status === 200 ? (JSON.parse(body) as Record<string, string>) : undefined
      resolve({ status, challenge: response.headers['www-authenticate'], headers: response.headers, body, received })
    })
    sent.on('error', reject).end()
  })
}
