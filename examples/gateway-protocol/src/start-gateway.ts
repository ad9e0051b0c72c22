import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type Gateway, type RouteSpec } from '@sd/gateway'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createMessageProtocol } from './message-protocol.ts'

/** What the gateway forwards to. */
export interface GatewaySettings {
  readonly service: { readonly host: string; readonly port: number }
  /** @default no limit */
  readonly concurrency?: number
  readonly closeTimeoutMs: number
  /** @default 1 MiB */
  readonly maxMessageBytes?: number
}

/** A gateway with the protocol beside HTTP/1.1 on one port. */
export interface StartedGateway {
  readonly address: { readonly host: string; readonly port: number }
  /** Open connections of the protocol. */
  connections(): number
  /** Adds a route of HTTP. */
  reload(): Promise<void>
  close(): Promise<void>
}

/** Starts a gateway with one route of the protocol. */
export async function startGateway(settings: GatewaySettings): Promise<StartedGateway> {
  const { service, concurrency, closeTimeoutMs, maxMessageBytes } = settings
  const registry = createMemoryRegistry()
  await registry.register({ service: 'log', id: 'log-1', address: service.host, port: service.port })
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const listeners = [{ name: 'edge', address: '127.0.0.1:0', protocols: ['http/1.1', 'messages'] }]
  const route: RouteSpec = {
    name: 'log',
    match: { protocol: 'messages' },
    forward: { service: 'log' },
    ...(concurrency !== undefined && { limits: { concurrency } }),
    ...(maxMessageBytes !== undefined && { options: { maxMessageBytes } }),
  }
  const protocols = [createMessageProtocol()]
  const gateway: Gateway = await createGateway({ client, protocols, table: { listeners, routes: [route] }, closeTimeoutMs })
  let closed: Promise<void> | undefined
  async function close(): Promise<void> {
    await gateway.close()
    await client.close()
    await discovery.close()
    await registry.close()
  }
  return {
    address: { host: '127.0.0.1', port: Number(gateway.addresses[0]?.port) },
    connections: () => gateway.drainable.remaining().streams,
    async reload() {
      const page: RouteSpec = { name: 'page', match: { path: '/' }, respond: { status: 200, body: 'HTTP on the same port\n' } }
      await gateway.configure({ listeners, routes: [route, page] })
    },
    close: () => {
      closed ??= close()
      return closed
    },
  }
}
