import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type GatewayTable, type RouteSpec } from '@sd/gateway'
import { createMemoryRegistry } from '@sd/registry-memory'
import { type ProtocolHarness, protocolContract } from '@sd/testing'
import { test } from 'vitest'
import { createTcp } from './tcp.ts'

const setup: ProtocolHarness['setup'] = async ({ service, concurrency, closeTimeoutMs }) => {
  const source = createMemoryRegistry()
  await source.register({ service: 'echo', address: service.host, port: service.port })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const route: RouteSpec = {
    name: 'echo',
    match: { protocol: 'tcp' },
    forward: { service: 'echo' },
    ...(concurrency !== undefined && { limits: { concurrency } }),
  }
  const listeners: GatewayTable['listeners'] = [{ name: 'edge', address: '127.0.0.1:0', protocols: ['http/1.1', 'tcp'] }]
  const gateway = await createGateway({ client, protocols: [createTcp()], table: { listeners, routes: [route] }, closeTimeoutMs })
  let closed: Promise<void> | undefined
  async function close(): Promise<void> {
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close()])
  }
  return {
    address: { host: '127.0.0.1', port: gateway.addresses[0]?.port as number },
    connections: () => gateway.drainable.remaining().streams,
    async reload() {
      const page: RouteSpec = { name: 'page', match: { path: '/' }, respond: { status: 200 } }
      await gateway.configure({ listeners, routes: [route, page] })
    },
    close() {
      closed ??= close()
      return closed
    },
  }
}

for (const { name, run } of protocolContract({ setup, eventuallyMs: 20_000 })) test.concurrent(name, run)
