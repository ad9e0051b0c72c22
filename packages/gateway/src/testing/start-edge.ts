import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished } from 'vitest'
import { createGateway, type Gateway } from '../gateway.ts'
import type { ListenerSpec, RouteSpec } from '../table/table.ts'

/** A service behind a gateway in a test: over HTTP/1.1 or HTTP/2. */
export type EdgeService =
  | { readonly http1: RequestListener }
  | { readonly http2: (stream: ServerHttp2Stream, raw: string[]) => void }

/** Starts a service and a gateway in front of it, until the end of the test. */
export async function startEdge(
  service: EdgeService,
  listener: Partial<ListenerSpec> = {},
  route: Partial<RouteSpec> = {},
): Promise<{ gateway: Gateway; port: number }> {
  const server = 'http1' in service ? createHttpServer(service.http1) : createHttp2Server()
  if ('http2' in service) {
    server.on('stream', (stream: ServerHttp2Stream, _fields: unknown, _flags: number, raw: string[]) => {
      stream.on('error', () => {})
      service.http2(stream, raw)
    })
  }
  await new Promise<void>((resolve) => void (server as Server).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const protocol = 'http1' in service ? 'http' : 'h2c'
  const source = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port, protocol }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    transport: createHttp1Transport(),
  })
  const gateway = await createGateway({
    client,
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0', ...listener }],
      routes: [{ name: 'orders', forward: { service: 'orders' }, ...route }],
    },
  })
  onTestFinished(async () => {
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close()])
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return { gateway, port: gateway.addresses[0]?.port ?? 0 }
}
