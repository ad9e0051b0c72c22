import { Agent, createServer, type RequestListener, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient, type ServiceClient } from '@sd/client'
import type { Registration } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { onTestFinished } from 'vitest'
import { createGateway, type Gateway, type GatewayOptions } from '../gateway.ts'
import type { GatewayTable } from '../table/table.ts'

/** A registry with services, and a client that calls them. It ends with the test. */
export interface Shop {
  readonly registry: MemoryRegistry
  readonly discovery: Discovery
  readonly client: ServiceClient
  /** Starts an instance. Without a listener it responds with its service. */
  startInstance(service: string, listener?: RequestListener): Promise<Instance>
  /** Starts a gateway. */
  startGateway(table: GatewayTable, options?: Partial<GatewayOptions>): Promise<Gateway>
}

/** A running instance of a service. */
export interface Instance {
  readonly port: number
  readonly registration: Registration
  /** Ends it at once, with its connections, and leaves it in the registry. */
  kill(): void
}

/** Opens the registry and the client. */
export function openShop(): Shop {
  const registry = createMemoryRegistry()
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport() })
  onTestFinished(async () => {
    await client.close()
    await discovery.close()
    await registry.close()
  })
  return {
    registry,
    discovery,
    client,
    async startInstance(service, listener = (_, response) => response.end(service)) {
      const server = createServer(listener)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      function kill(): void {
        server.close()
        server.closeAllConnections()
      }
      onTestFinished(kill)
      const registration = await registry.register({ service, address: '127.0.0.1', port })
      return { port, registration, kill }
    },
    async startGateway(table, options = {}) {
      const gateway = await createGateway({ client, table, ...options })
      onTestFinished(() => gateway.close())
      return gateway
    },
  }
}

/** A table with one listener on a free port, and a route for each service. */
export function tableOf(...services: readonly string[]): GatewayTable {
  return {
    listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
    routes: services.map((service) => ({ name: service, match: { path: `/${service}` }, forward: { service } })),
  }
}

/** The response to a request. */
export interface Answer {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Sends requests over kept connections, and never twice. */
export interface Caller {
  get(port: number, path: string, headers?: Record<string, string>): Promise<Answer>
}

/** Opens a caller. Its connections close with the test. */
export function openCaller(maxSockets = 10): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets })
  onTestFinished(() => agent.destroy())
  return {
    get: (port, path, headers = {}) =>
      new Promise((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, path, agent, headers }, (response) => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            body += chunk
          })
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }))
          response.on('error', reject)
        })
        sent.on('error', reject)
        sent.end()
      }),
  }
}

/** Port of a listener. */
export function portOf(gateway: Gateway, listener = 'edge'): number {
  const port = gateway.addresses.find((address) => address.listener === listener)?.port
  if (port === undefined) throw new Error(`There is no listener ${listener}`)
  return port
}
