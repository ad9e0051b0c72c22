import type { AddressInfo } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClientOptions } from '@sd/client'
import { type Registration, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createGateway, type Gateway, type GatewayOptions, type RouteSpec } from '@sd/gateway'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { onTestFinished } from 'vitest'
import { createGrpc } from '../grpc.ts'

const same = (message: Buffer): Buffer => message

/** Messages are bytes: no schema is needed. */
function method(name: string, requestStream: boolean, responseStream: boolean): grpc.MethodDefinition<Buffer, Buffer> {
  const coding = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }
  return { path: `/shop.Carts/${name}`, requestStream, responseStream, ...coding }
}

/** A service with a method of each kind. */
const definition: grpc.ServiceDefinition = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  list: method('List', false, true),
  chat: method('Chat', true, true),
}

/** The methods of a server. */
export interface Handlers {
  readonly unary?: grpc.handleUnaryCall<Buffer, Buffer>
  readonly collect?: grpc.handleClientStreamingCall<Buffer, Buffer>
  readonly list?: grpc.handleServerStreamingCall<Buffer, Buffer>
  readonly chat?: grpc.handleBidiStreamingCall<Buffer, Buffer>
}

/** A client of the service. */
export interface CartsClient extends grpc.Client {
  unary(
    message: Buffer,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    done: grpc.requestCallback<Buffer>,
  ): grpc.ClientUnaryCall
  collect(
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    done: grpc.requestCallback<Buffer>,
  ): grpc.ClientWritableStream<Buffer>
  list(message: Buffer, metadata: grpc.Metadata, options: grpc.CallOptions): grpc.ClientReadableStream<Buffer>
  chat(metadata: grpc.Metadata, options: grpc.CallOptions): grpc.ClientDuplexStream<Buffer, Buffer>
}

/** Result of a unary call. */
export interface Unary {
  readonly error: grpc.ServiceError | null
  readonly text: string | undefined
  readonly metadata: grpc.Metadata | undefined
  readonly trailers: grpc.Metadata | undefined
}

/** Makes a unary call, and waits for its status. */
export function callUnary(
  client: CartsClient,
  text: string | Buffer = 'x',
  { metadata = new grpc.Metadata(), ...options }: grpc.CallOptions & { readonly metadata?: grpc.Metadata } = {},
): Promise<Unary> {
  return new Promise((resolve) => {
    let head: grpc.Metadata | undefined
    let result: { error: grpc.ServiceError | null; text: string | undefined } | undefined
    const call = client.unary(Buffer.from(text), metadata, options, (error, message) => {
      result = { error, text: message?.toString() }
    })
    call.on('metadata', (received: grpc.Metadata) => {
      head = received
    })
    call.on('status', ({ metadata: trailers }: grpc.StatusObject) => {
      setImmediate(() => resolve({ error: result?.error ?? null, text: result?.text, metadata: head, trailers }))
    })
  })
}

type CallEvent = TelemetryEvents['sd:v1:gateway:call']
type ExchangeEvent = TelemetryEvents['sd:v1:gateway:exchange']

/** What a test works with. */
export interface Stage {
  readonly registry: MemoryRegistry
  readonly discovery: Discovery
  readonly calls: readonly CallEvent[]
  readonly exchanges: readonly ExchangeEvent[]
  /** Starts a server of the service `carts`. */
  serve(
    id: string,
    handlers: Handlers,
    options?: grpc.ServerOptions,
  ): Promise<{ server: grpc.Server; registration: Registration }>
  /** Registers a server of another kind. */
  register(server: { address(): unknown }, protocol?: string, id?: string): Promise<Registration>
  /** Starts a gateway with a route for gRPC. */
  gateway(route?: Partial<RouteSpec>, options?: Partial<GatewayOptions>): Promise<{ gateway: Gateway; port: number; url: string }>
  /** Opens a client of a gateway or server. */
  dial(port: number, options?: grpc.ClientOptions): CartsClient
}

let stages = 0

/** Servers of gRPC, and gateways before them. All ends with the test. */
export function createStage(clientOptions: Partial<ServiceClientOptions> = {}): Stage {
  const registry = createMemoryRegistry()
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), ...clientOptions })
  const listener = `grpc-${++stages}`
  const calls: CallEvent[] = []
  const exchanges: ExchangeEvent[] = []
  const stops = [
    subscribeTelemetry('sd:v1:gateway:call', (event) => void calls.push(event)),
    subscribeTelemetry('sd:v1:gateway:exchange', (event) => {
      if (event.exchange.connection.listener === listener) exchanges.push(event)
    }),
  ]
  onTestFinished(async () => {
    for (const stop of stops) stop()
    await Promise.all([client.close(), discovery.close(), registry.close()])
  })
  return {
    registry,
    discovery,
    calls,
    exchanges,
    async serve(id, handlers, options = {}) {
      const server = new grpc.Server(options)
      server.addService(definition, handlers as grpc.UntypedServiceImplementation)
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
          error ? reject(error) : resolve(bound),
        )
      })
      onTestFinished(() => server.forceShutdown())
      const registration = await registry.register({ service: 'carts', id, address: '127.0.0.1', port, protocol: 'grpc' })
      return { server, registration }
    },
    register(server, protocol = 'h2c', id = 'other') {
      const { port } = server.address() as AddressInfo
      return registry.register({ service: 'carts', id, address: '127.0.0.1', port, protocol })
    },
    async gateway(route = {}, options = {}) {
      const gateway = await createGateway({
        client,
        discovery,
        protocols: [createGrpc({ discovery })],
        table: {
          listeners: [{ name: listener, address: '127.0.0.1:0' }],
          routes: [{ name: 'carts', match: { protocol: 'grpc' }, forward: { service: 'carts' }, ...route }],
        },
        ...options,
      })
      onTestFinished(() => gateway.close())
      const port = gateway.addresses[0]?.port ?? 0
      return { gateway, port, url: `http://127.0.0.1:${port}` }
    },
    dial(port, options = {}) {
      const Client = grpc.makeGenericClientConstructor(definition, 'Carts')
      const opened = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options)
      onTestFinished(() => opened.close())
      return opened as unknown as CartsClient
    },
  }
}
