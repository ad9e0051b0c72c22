import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  Controller,
  Get,
  type INestApplication,
  Inject,
  Injectable,
  Module,
  type NestApplicationOptions,
  Param,
  Scope,
  type Type,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { defineServiceClient, type Operation, operation, type ServiceClientDefinition } from '@sd/operations'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { ConfigValue, SdConfig, SdModule, type SdModuleOptions, ServiceCall, ServiceClient, sent } from '../index.ts'

// A Nest application that calls a service, and that service, for the tests.

/** The stock service by its operations. */
export const stock: ServiceClientDefinition<{
  readonly find: Operation<'GET /stock/{id}', 'json', undefined, undefined>
}> = defineServiceClient('stock', { find: operation('GET /stock/{id}') })

/** The same as a class. */
@ServiceClient('stock')
@Injectable()
class StockClient {
  @ServiceCall('GET /stock/{id}')
  find(_id: string): Promise<unknown> {
    return sent()
  }
}

/** Made for each request. */
@Injectable({ scope: Scope.REQUEST })
class Basket {
  static made = 0
  readonly number: number = ++Basket.made
  readonly client: StockClient
  constructor(client: StockClient) {
    this.client = client
  }
  @ConfigValue<string>('currency')
  get currency(): string {
    return 'none'
  }
}

/** Made for each user of it. */
@Injectable({ scope: Scope.TRANSIENT })
class Clock {
  @ConfigValue<string>('zone')
  get zone(): string {
    return 'UTC'
  }
}

/** The routes, with everything that can be injected. */
@Controller('orders')
class OrdersController {
  readonly client: StockClient
  readonly config: SdConfig<{ currency: string }>
  readonly clock: Clock
  readonly byDefinition: ReturnType<typeof stock>

  constructor(
    client: StockClient,
    config: SdConfig<{ currency: string }>,
    clock: Clock,
    @Inject(stock) byDefinition: ReturnType<typeof stock>,
  ) {
    this.client = client
    this.config = config
    this.clock = clock
    this.byDefinition = byDefinition
  }

  @ConfigValue<string>('greeting')
  get greeting(): string {
    return 'hello'
  }

  @Get(':id')
  async find(@Param('id') id: string): Promise<object> {
    const { currency } = this.config.current
    const { zone } = this.clock
    return { stock: await this.client.find(id), same: await this.byDefinition.find(id), currency, greeting: this.greeting, zone }
  }
}

/** A controller that is made for each request, because what it uses is. */
@Controller('baskets')
class BasketsController {
  readonly basket: Basket
  constructor(basket: Basket) {
    this.basket = basket
  }
  @ConfigValue<string>('greeting')
  get greeting(): string {
    return 'hello'
  }
  @Get(':id')
  async find(@Param('id') id: string): Promise<object> {
    const { client, currency, number } = this.basket
    return { stock: await client.find(id), currency, number, greeting: this.greeting }
  }
}

/** The shop without its root module. */
@Module({
  imports: [SdModule.forFeature([stock])],
  controllers: [OrdersController, BasketsController],
  providers: [StockClient, Basket, Clock],
})
export class ShopModule {}

const open: (() => unknown)[] = []

/** Closes what a test made, the last one first. Call it in `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const close of open.splice(0).reverse()) await close()
}

/** Closes something at the end of the test. */
export function later(close: () => unknown): void {
  open.push(close)
}

/** A registry that is closed at the end of the test. */
export function openRegistry(): MemoryRegistry {
  const registry = createMemoryRegistry()
  later(() => registry.close())
  return registry
}

/** Starts a service and registers it. */
export async function startService(registry: MemoryRegistry, service: string, respond: RequestListener): Promise<Server> {
  const server = createServer(respond).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  later(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  await registry.register({ service, address: '127.0.0.1', port })
  return server
}

/** Answers as the stock service does. */
export const answerStock: RequestListener = ({ url = '' }, response) => {
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ id: url.slice('/stock/'.length), pieces: 3 }))
}

/** Options with which a test does not wait. */
export function quick(options: SdModuleOptions): SdModuleOptions {
  return {
    service: 'orders',
    instance: { address: '127.0.0.1' },
    ...options,
    lifecycle: { propagationDelayMs: 0, ...options.lifecycle },
  }
}

/** The adapters of Nest, one for each application. */
export const adapters: Readonly<Record<string, () => ExpressAdapter | FastifyAdapter>> = {
  Express: () => new ExpressAdapter(),
  Fastify: () => new FastifyAdapter(),
}

/** A root module of imports and providers. */
export function rootOf(imports: readonly NonNullable<unknown>[], providers: readonly Type<unknown>[] = []): Type<unknown> {
  class RootModule {}
  Module({ imports: [...(imports as Type<unknown>[])], providers: [...providers] })(RootModule)
  return RootModule
}

/** Creates an application, closed at the end of the test. */
export async function create(
  root: Type<unknown>,
  adapter: ExpressAdapter | FastifyAdapter = new ExpressAdapter(),
  options: NestApplicationOptions = {},
): Promise<INestApplication> {
  const app = await NestFactory.create<INestApplication>(root, adapter, { logger: false, abortOnError: false, ...options })
  later(() => app.close())
  return app
}

/** Listens on a free port. @returns the URL */
export async function listen(app: INestApplication): Promise<string> {
  await app.listen(0, '127.0.0.1')
  return app.getUrl()
}
