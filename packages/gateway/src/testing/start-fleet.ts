import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient, type ServiceClient } from '@sd/client'
import { subscribeTelemetry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { onTestFinished } from 'vitest'
import type { ExchangeOutcome } from '../filters/filter.ts'
import { createGateway, type Gateway, type GatewayOptions } from '../gateway.ts'
import type { RouteSpec } from '../table/table.ts'

/** Instances of services behind one client, and gateways before it. */
export interface Fleet {
  readonly client: ServiceClient
  /** Starts an instance that responds with its id, the method, the target, the fields and the body as JSON. */
  serve(id: string, options?: ServeOptions): Promise<{ leave(): Promise<void> }>
  /** Starts a gateway with these routes. */
  gateway(routes: readonly RouteSpec[], options?: Partial<GatewayOptions>): Promise<{ gateway: Gateway; url: string }>
  /** How the exchanges ended so far. */
  readonly outcomes: ExchangeOutcome[]
}

/** An instance. */
export interface ServeOptions {
  /** @default 'orders' */
  readonly service?: string
  readonly version?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly respond?: (request: IncomingMessage, response: ServerResponse, body: string) => void
}

/** What an instance responds. */
export interface Echo {
  readonly id: string
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

let fleets = 0

/** Starts a fleet without instances. It ends with the test. */
export function startFleet(): Fleet {
  const registry = createMemoryRegistry()
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport() })
  const prefix = `fleet-${++fleets}`
  const outcomes: ExchangeOutcome[] = []
  const unsubscribe = subscribeTelemetry('sd:v1:gateway:exchange', ({ exchange, outcome }) => {
    if (exchange.connection.listener === prefix) outcomes.push(outcome)
  })
  onTestFinished(async () => {
    unsubscribe()
    await Promise.all([client.close(), discovery.close(), registry.close()])
  })
  return {
    client,
    outcomes,
    async serve(id, { service = 'orders', version, metadata, respond } = {}) {
      const server = createServer(async (request, response) => {
        let body = ''
        for await (const chunk of request) body += chunk
        const { method, url, headers } = request
        if (respond) respond(request, response, body)
        else response.end(JSON.stringify({ id, method, url, headers, body }))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void server.close().closeAllConnections())
      const { port } = server.address() as AddressInfo
      const registration = await registry.register({
        service,
        id,
        address: '127.0.0.1',
        port,
        ...(version !== undefined && { version }),
        ...(metadata && { metadata }),
      })
      return { leave: () => registration.deregister() }
    },
    async gateway(routes, options = {}) {
      const listeners = [{ name: prefix, address: '127.0.0.1:0' }]
      const gateway = await createGateway({ client, table: { listeners, routes }, ...options })
      onTestFinished(() => gateway.close())
      return { gateway, url: `http://127.0.0.1:${gateway.addresses[0]?.port}` }
    },
  }
}

/** Sends a request, and reads what the instance responded. */
export async function fetchEcho(url: string, init?: RequestInit): Promise<{ response: Response; echo: Echo }> {
  const response = await fetch(url, init)
  return { response, echo: (await response.json()) as Echo }
}
