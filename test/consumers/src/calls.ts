import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, createUndiciTransport, type ServiceClient, type Transport } from '@sd/client'
import type { Endpoint } from '@sd/core'
import type { Discovery } from '@sd/discovery'

/** HTTP servers on loopback that respond with their own port. */
export interface Instances {
  readonly ports: readonly number[]
  close(): Promise<void>
}

/** Starts `count` servers. */
export async function startInstances(count: number): Promise<Instances> {
  const servers = await Promise.all(Array.from({ length: count }, startInstance))
  return {
    ports: servers.map(portOf),
    async close() {
      for (const server of servers) {
        server.close()
        server.closeAllConnections()
      }
    },
  }
}

function startInstance(): Promise<Server> {
  const server = createServer((_, response) => void response.end(String(portOf(server))))
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Creates a client that finds the instances through discovery. */
export function createCaller(discovery: Discovery): ServiceClient {
  return createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    transport: onLoopback(createUndiciTransport()),
  })
}

/**
 * Calls the service `orders` through discovery and balancer. @returns the number of failed calls, and the number of
 * instances that responded
 */
export async function callThroughOutage(discovery: Discovery, calls: number): Promise<{ failed: number; answered: number }> {
  const client = createCaller(discovery)
  const answered = new Set<string>()
  let failed = 0
  let left = calls
  async function callInTurn(): Promise<void> {
    while (left-- > 0) {
      try {
        const response = await client.get('orders', '/')
        answered.add(await response.text())
      } catch {
        failed++
      }
    }
  }
  await Promise.all(Array.from({ length: 20 }, callInTurn))
  await client.close()
  return { failed, answered: answered.size }
}

/** Instances have addresses that every backend accepts, but the servers are on loopback. */
function onLoopback(transport: Transport): Transport {
  return {
    ...transport,
    send: (endpoint, request, handler) => {
      const origin = `http://127.0.0.1:${endpoint.instance.port}`
      return transport.send({ instance: endpoint.instance, origin } as Endpoint, request, handler)
    },
  }
}
