import type * as Grpc from '@grpc/grpc-js'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient, type ServiceClientOptions } from '@sd/client'
import type { InstanceSpec, Registration } from '@sd/core'
import { createDiscovery, type Discovery, type DiscoveryOptions } from '@sd/discovery'
import { createMemoryRegistry, createMemoryStore, type MemoryStore } from '@sd/registry-memory'
import type { GrpcServicesOptions } from '../options.ts'
import { type GrpcServices, registerServices } from '../register-services.ts'
import {
  createOrdersClient,
  type GrpcJs,
  type OrdersClient,
  type OrdersServer,
  type OrdersServerOptions,
  ordersDefinition,
  startOrdersServer,
} from './orders.ts'

/** A registry, servers in it, and clients that dial `sd:///orders`. */
export interface Stage extends AsyncDisposable {
  /** The registry's backend. */
  readonly store: MemoryStore
  /** The discovery of the clients. */
  readonly discovery: Discovery
  /** The services under test. */
  readonly services: GrpcServices<GrpcJs>
  /** The client whose policies apply to {@link Stage.dialWithPolicies}. */
  readonly client: ServiceClient
  /** Starts a server and registers it, by default under its own name. */
  serve(name: string, options?: OrdersServerOptions & { instance?: Partial<InstanceSpec> }): Promise<ServedInstance>
  /** Registers an address. */
  register(instance: Partial<InstanceSpec> & { port: number }): Promise<Registration>
  /** Creates a gRPC client that is closed with the stage. */
  dial(target?: string, options?: Grpc.ClientOptions, credentials?: Grpc.ChannelCredentials): OrdersClient
  /** As {@link Stage.dial}, for calls under the policies of the stage's client. */
  dialWithPolicies(options?: Grpc.ClientOptions, credentials?: Grpc.ChannelCredentials): OrdersClient
}

/** A server with its registration. */
export interface ServedInstance {
  /** The server. */
  readonly server: OrdersServer
  /** Its registration. */
  readonly registration: Registration
}

/** Options of {@link createStage}. */
export interface StageOptions extends Partial<Omit<GrpcServicesOptions, 'grpc' | 'discovery' | 'client'>> {
  /** Options of the discovery. */
  readonly discovery?: Partial<DiscoveryOptions>
  /** Options of the client. */
  readonly client?: Partial<ServiceClientOptions>
}

/** Builds a stage for one version of grpc-js. */
export function createStage(
  grpc: GrpcJs,
  { discovery: discoveryOptions, client: clientOptions, ...options }: StageOptions = {},
): Stage {
  const store = createMemoryStore()
  const registry = createMemoryRegistry({ store })
  const discovery = createDiscovery({ source: registry, coalesceMs: 20, ...discoveryOptions })
  const balancer = createRoundRobinBalancer()
  const client = createServiceClient({ discovery, balancer, closeTimeoutMs: 500, ...clientOptions })
  const services = registerServices({ grpc, discovery, client, balancer, ...options })
  const servers: OrdersServer[] = []
  const clients: OrdersClient[] = []
  const stage: Stage = {
    store,
    discovery,
    services,
    client,
    async serve(name, { instance, ...serverOptions } = {}) {
      const server = await startOrdersServer(grpc, name, serverOptions)
      servers.push(server)
      return { server, registration: await stage.register({ id: name, port: server.port, ...instance }) }
    },
    register: (instance) => registry.register({ service: 'orders', address: '127.0.0.1', protocol: 'grpc', ...instance }),
    dial(target = `${services.scheme}:///orders`, channelOptions, credentials) {
      const made = createOrdersClient(grpc, target, credentials, channelOptions)
      clients.push(made)
      return made
    },
    dialWithPolicies(channelOptions, credentials) {
      const channelFactoryOverride = services.channelFactory(ordersDefinition)
      return stage.dial(undefined, { ...channelOptions, channelFactoryOverride }, credentials)
    },
    async [Symbol.asyncDispose]() {
      for (const made of clients) made.close()
      await services.close()
      await client.close()
      await discovery.close()
      await registry.close()
      for (const server of servers) server.kill()
    },
  }
  return stage
}
