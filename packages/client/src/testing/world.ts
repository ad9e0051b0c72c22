import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import type { InstanceSpec } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { createServiceClient, type ServiceClient, type ServiceClientOptions } from '../index.ts'

/** Real servers, a registry, discovery and clients for one test. */
export interface World {
  readonly registry: MemoryRegistry
  readonly discovery: Discovery
  /** Starts a server and registers it. */
  serve(listener: RequestListener, spec?: Partial<InstanceSpec>): Promise<Server>
  /** Registers an address. */
  register(port: number, spec?: Partial<InstanceSpec>): Promise<void>
  /** A client over discovery and round robin that starts with the first endpoint. */
  client(options?: Partial<ServiceClientOptions>): ServiceClient
  /** Requests in flight, over all endpoints of a service. */
  active(service?: string): number
  close(): Promise<void>
}

export function createWorld(): World {
  const registry = createMemoryRegistry()
  const discovery = createDiscovery({ source: registry, coalesceMs: 0 })
  const servers: Server[] = []
  const clients: ServiceClient[] = []
  const world: World = {
    registry,
    discovery,
    async serve(listener, spec) {
      const server = createServer(listener)
      servers.push(server)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      await world.register((server.address() as AddressInfo).port, spec)
      return server
    },
    async register(port, spec) {
      await registry.register({ service: 'orders', address: '127.0.0.1', port, ...spec })
    },
    client(options) {
      const client = createServiceClient({
        discovery,
        balancer: createRoundRobinBalancer({ random: () => 0 }),
        closeTimeoutMs: 200,
        ...options,
      })
      clients.push(client)
      return client
    },
    active(service = 'orders') {
      // Includes endpoints that are out.
      const { endpoints, candidates = endpoints } = discovery.cluster(service).view
      return candidates.reduce((sum, endpoint) => sum + endpoint.active, 0)
    },
    async close() {
      await Promise.all(clients.map((client) => client.close()))
      await discovery.close()
      await registry.close()
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
  return world
}

/** A closed port. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
