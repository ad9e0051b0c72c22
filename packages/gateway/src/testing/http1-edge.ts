import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient, type ServiceClientOptions } from '@sd/client'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished, vi } from 'vitest'
import { BodyPaces } from '../exchange/body-pace.ts'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import { UpgradedConnections } from '../exchange/upgraded-connections.ts'
import type { GatewayFilter } from '../filters/filter.ts'
import { createHttp1Front } from '../http1/http1-front.ts'
import { ClientConnection } from '../listener/connection.ts'
import { noNetworks } from '../listener/trusted-networks.ts'
import type { UpgradeProtocol } from '../protocol.ts'
import { compileTable } from '../routing/compile-table.ts'
import type { CompiledTable } from '../routing/compiled-table.ts'
import { Router } from '../routing/router.ts'
import { StreamBooks } from '../streams/stream-books.ts'
import { type ResolvedListener, type ResolvedTable, resolveTable } from '../table/resolve-table.ts'
import type { ListenerLimits, ListenerTimeouts, RouteSpec } from '../table/table.ts'

type GatewayExchangeEvent = TelemetryEvents['sd:v1:gateway:exchange']

/** What a test starts. */
export interface EdgeOptions {
  /** The service `orders`; requests to `/nobody` go to a service without instances. */
  readonly service?: RequestListener
  /** Or the service as bytes. */
  readonly rawService?: (socket: Socket) => void
  /** An address of another process or gateway instead. */
  readonly servicePort?: number
  readonly route?: Omit<RouteSpec, 'name'>
  readonly filters?: readonly GatewayFilter[]
  readonly limits?: ListenerLimits
  readonly timeouts?: ListenerTimeouts
  readonly isTrusted?: boolean
  readonly name?: string
  readonly upgrades?: readonly UpgradeProtocol[]
  readonly client?: Partial<ServiceClientOptions>
}

/** The HTTP/1.1 front on a port of its own, with one route to a real service through a real client. */
export interface Edge {
  readonly port: number
  /** Exchanges that have ended, in order. */
  readonly records: GatewayExchangeEvent[]
  readonly openExchanges: { readonly size: number }
  /** Waits for the record of a number of exchanges. */
  recorded(count: number): Promise<readonly GatewayExchangeEvent[]>
}

let edges = 0

/** Starts it; it ends with the test. */
export async function startEdge(options: EdgeOptions = {}): Promise<Edge> {
  const { limits = {}, timeouts = {}, upgrades = [], isTrusted = false } = options
  const servicePort = options.servicePort ?? (await startService(options))
  const source = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port: servicePort }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    transport: createHttp1Transport(),
    ...options.client,
  })
  const openExchanges = { size: 0 }
  const { route } = options
  const isForwarded = !route?.redirect && !route?.respond
  const table = resolveTable({
    listeners: [{ name: `edge-${++edges}`, address: '127.0.0.1:0', limits, timeouts }],
    routes: [
      { name: 'orders', ...(isForwarded && { forward: { service: 'orders' } }), ...route },
      { name: 'nobody', match: { path: '/nobody' }, forward: { service: 'nobody' } },
    ],
  })
  const listener = table.listeners[0] as ResolvedListener
  const compiled = compileWith(table, options.filters ?? [])
  const context: ExchangeContext = {
    client,
    pseudonym: options.name ?? 'edge-under-test',
    table: () => compiled,
    openExchanges,
    paces: new BodyPaces(),
    upgraded: new UpgradedConnections(),
    replies: new Set(),
    upgrades: new Map(upgrades.map((upgrade) => [upgrade.name, upgrade])),
    calls: [],
    streamProtocols: new Map(),
    streams: new StreamBooks({ client, table: () => compiled }, 1_000),
  }
  const front = createHttp1Front(context, listener)
  const networks = isTrusted ? { has: () => true } : noNetworks
  const settings = { spec: listener, trust: { networks, fields: 'x-forwarded' as const } }
  const server = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy())
    const address = { remoteAddress: '127.0.0.1', remotePort: socket.remotePort ?? 0, peerAddress: '127.0.0.1' }
    front.accept(socket, new ClientConnection(address, () => settings))
  })
  const records: GatewayExchangeEvent[] = []
  const unsubscribe = subscribeTelemetry('sd:v1:gateway:exchange', (event) => {
    if (event.exchange.connection.listener === listener.name) records.push(event)
  })
  const port = await listen(server)
  onTestFinished(async () => {
    unsubscribe()
    front.destroy()
    await Promise.all([client.close(), discovery.close(), source.close()])
  })
  return {
    port,
    records,
    openExchanges,
    async recorded(count) {
      await vi.waitFor(() => {
        if (records.length < count) throw new Error(`${records.length} of ${count} exchanges have ended`)
      }, 10_000)
      return records
    },
  }
}

/** The table, with filters that a test brings along. */
function compileWith(table: ResolvedTable, filters: readonly GatewayFilter[]): CompiledTable {
  const compiled = compileTable(table)
  const routes = compiled.routes.map((route) => ({ ...route, filters: [...route.filters, ...filters] }))
  return { ...compiled, routes, router: new Router(routes) }
}

function startService({ service, rawService }: EdgeOptions): Promise<number> {
  return listen(rawService ? createTcpServer(rawService) : createServer(service ?? ((_, response) => response.end('hello'))))
}

/** Listens on a free port of loopback until the test ends. */
export async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}
