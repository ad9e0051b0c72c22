import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { type ClientSettings, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type FilterFactory, type RouteSpec } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished } from 'vitest'

/** A service, and the gateway in front of it. */
export interface Edge {
  /** URL of the gateway. */
  readonly url: string
  /** Stops the service. */
  stop(): Promise<unknown>
}

/** Starts a service and a gateway in front of it, until the end of the test. */
export async function startEdge(
  respond: RequestListener,
  routes: readonly Partial<RouteSpec>[],
  filters: Readonly<Record<string, FilterFactory>>,
  settings: ClientSettings = {},
): Promise<Edge> {
  const server = createServer(respond)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const stop = (): Promise<unknown> => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  const { port } = server.address() as AddressInfo
  const source = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), ...settings })
  onTestFinished(async () => {
    await Promise.all([client.close(), discovery.close(), source.close()])
    if (server.listening) await stop()
  })
  const gateway = await createGateway({
    client,
    filters,
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
      routes: routes.map((route, index) => ({ name: `route-${index}`, forward: { service: 'orders' }, ...route })),
    },
  })
  onTestFinished(() => gateway.close())
  return { url: `http://127.0.0.1:${gateway.addresses[0]?.port}`, stop }
}

/** Sends a request, and reads the response to its end. */
export async function send(
  url: string,
  { method = 'GET', headers = {} }: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly status: number | undefined; readonly headers: IncomingHttpHeaders; readonly body: string }> {
  const sent = request(url, { method, headers, agent: false }).end()
  const [response] = await once(sent, 'response')
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
