import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type FilterFactory, type ListenerSpec, type RouteSpec } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished } from 'vitest'

/** Starts a service and a gateway in front of it, until the end of the test. @returns the URL of the gateway */
export async function startEdge(
  respond: RequestListener,
  routes: readonly Partial<RouteSpec>[],
  filters: Readonly<Record<string, FilterFactory>>,
  listener: Partial<ListenerSpec> = {},
): Promise<string> {
  const server = createServer(respond)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const source = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const gateway = await createGateway({
    client,
    filters,
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0', ...listener }],
      routes: routes.map((route, index) => ({
        name: `route-${index}`,
        ...(!route.respond && { forward: { service: 'orders' } }),
        ...route,
      })),
    },
  })
  onTestFinished(async () => {
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close()])
    server.close().closeAllConnections()
  })
  return `http://127.0.0.1:${gateway.addresses[0]?.port}`
}
