import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClientOptions } from '@sd/client'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type Gateway, type GatewayOptions, type ListenerSpec, type RouteSpec } from '@sd/gateway'
import { createMemoryRegistry } from '@sd/registry-memory'
import { onTestFinished } from 'vitest'
import { createTcp } from '../tcp.ts'

/** A registry, and gateways before its services. */
export interface Stage {
  /** Registers what listens on a port. */
  register(service: string, id: string, port: number): Promise<void>
  /** Starts a server, and registers it. */
  serve(service: string, id: string, onConnection: (socket: Socket) => void): Promise<number>
  gateway(routes: readonly Partial<RouteSpec>[], options?: StageOptions): Promise<{ gateway: Gateway; port: number }>
  /** Connections of the gateway that have closed. */
  readonly closed: TelemetryEvents['sd:v1:gateway:connection'][]
}

/** What differs between gateways. */
export interface StageOptions {
  readonly listener?: Partial<ListenerSpec>
  readonly gateway?: Partial<GatewayOptions>
}

/** Starts a stage. It ends with the test. */
export function startStage(settings: Partial<ServiceClientOptions> = {}): Stage {
  const registry = createMemoryRegistry()
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), ...settings })
  const closed: Stage['closed'] = []
  const unsubscribe = subscribeTelemetry('sd:v1:gateway:connection', (event) => {
    if (event.state === 'closed') closed.push(event)
  })
  onTestFinished(async () => {
    unsubscribe()
    await client.close()
    await discovery.close()
    await registry.close()
  })
  const stage: Stage = {
    closed,
    async register(service, id, port) {
      await registry.register({ service, id, address: '127.0.0.1', port })
    },
    async serve(service, id, onConnection) {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('error', () => {})
        onTestFinished(() => void socket.destroy())
        onConnection(socket)
      })
      const port = await listen(server)
      await stage.register(service, id, port)
      return port
    },
    async gateway(routes, { listener, gateway: options } = {}) {
      const gateway = await createGateway({
        client,
        protocols: [createTcp()],
        closeTimeoutMs: 100,
        table: {
          listeners: [{ name: 'edge', address: '127.0.0.1:0', protocols: ['tcp'], ...listener }],
          routes: routes.map((route, index) => ({
            name: `route-${index}`,
            forward: { service: 'echo' },
            ...route,
            match: { protocol: 'tcp', ...route.match },
          })),
        },
        ...options,
      })
      onTestFinished(() => gateway.close())
      return { gateway, port: gateway.addresses[0]?.port as number }
    },
  }
  return stage
}

/** Listens until the end of the test. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A client of the gateway. */
export interface Client {
  readonly socket: Socket
  readonly text: string
  /** Resolves with all that has been read, when the gateway has ended its side or closed the connection. */
  readonly ended: Promise<string>
}

/** Opens a connection until the end of the test. */
export function open(port: number): Client {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const ended = new Promise<string>((resolve) => {
    for (const event of ['end', 'close']) socket.once(event, () => resolve(text))
  })
  return {
    socket,
    ended,
    get text() {
      return text
    },
  }
}
