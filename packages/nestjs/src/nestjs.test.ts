import { Controller, Get, type INestApplication, Injectable, Module } from '@nestjs/common'
import type { Cluster } from '@sd/core'
import { createMetrics } from '@sd/metrics-prometheus'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  ConfigSection,
  ConfigValue,
  NacosValue,
  OnConfigChange,
  SdApp,
  SdClient,
  SdConfig,
  SdConfigModule,
  SdDiscovery,
  SdDrain,
  SdMetricsModule,
  SdModule,
  SdRegistry,
  ServiceDiscovery,
  ServiceRegistry,
  ServiceRegistryModule,
} from './index.ts'
import {
  adapters,
  answerStock,
  closeAll,
  create,
  listen,
  openRegistry,
  quick,
  rootOf,
  ShopModule,
  startService,
} from './testing/shop.ts'

afterEach(async () => {
  await closeAll()
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const read = async (url: string): Promise<unknown> => (await fetch(url)).json()

describe.each(Object.entries(adapters))('an application on %s', (_, makeAdapter) => {
  async function start(): Promise<{ readonly app: INestApplication; readonly url: string; readonly registry: SdRegistry }> {
    const registry = openRegistry()
    await startService(registry, 'stock', answerStock)
    const config = { defaults: { currency: 'EUR', zone: 'CET' } }
    const metrics = createMetrics()
    const options = quick({ registry, config, version: '1.2.0', needs: ['stock'], metrics })
    const app = await create(rootOf([SdModule.forRoot(options), ShopModule], [SdDrain]), makeAdapter())
    app.setGlobalPrefix('api')
    const url = await listen(app)
    await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'))
    return { app, url, registry }
  }

  test('is registered once it listens, and calls by class and by definition', async () => {
    const { app, url, registry } = await start()
    const { instances } = await registry.getInstances('orders')
    expect(instances).toMatchObject([{ version: '1.2.0', address: '127.0.0.1', port: Number(new URL(url).port) }])
    const found = { id: '7', pieces: 3 }
    const expected = { stock: found, same: found, currency: 'EUR', greeting: 'hello', zone: 'CET' }
    expect(await read(`${url}/api/orders/7`)).toEqual(expected)
    await app.close()
    expect(app.get(SdApp).state).toBe('stopped')
    expect((await registry.getInstances('orders')).instances).toEqual([])
  })

  test('reads values that change, in singletons, controllers, and objects of each request and user', async () => {
    const { app, url } = await start()
    const config = app.get<SdConfig<Record<string, string>>>(SdConfig)
    const before = (await read(`${url}/api/baskets/1`)) as { readonly number: number }
    expect(before).toMatchObject({ stock: { id: '1' }, currency: 'EUR', greeting: 'hello' })
    await config.set('currency', 'CHF')
    await config.set('greeting', 'salut')
    await config.set('zone', 'WET')
    expect(await read(`${url}/api/baskets/1`)).toMatchObject({ currency: 'CHF', greeting: 'salut', number: before.number + 1 })
    expect(await read(`${url}/api/orders/7`)).toMatchObject({ currency: 'CHF', greeting: 'salut', zone: 'WET' })
  })

  test('answers for health and metrics outside of the global prefix', async () => {
    const { app, url } = await start()
    await vi.waitFor(async () => expect((await fetch(`${url}/health/ready`)).status).toBe(200))
    expect(await read(`${url}/health/live?full`)).toMatchObject({ status: 'ok' })
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('sd_registrations')
    expect((await fetch(`${url}/api/health/ready`)).status).toBe(404)
    await app.get(SdApp).drain()
    expect(app.get(SdApp).health({ url: '/health/ready' })?.status).toBe(503)
  })
})

describe('what is injected', () => {
  test('is every part, by its class', async () => {
    const registry = openRegistry()
    const app = await create(rootOf([SdModule.forRoot(quick({ registry, config: { settingsAt: false } }))]))
    await app.init()
    const made = app.get(SdApp)
    expect([app.get(SdClient), app.get(SdConfig), app.get(SdDiscovery)]).toEqual([made.client, made.config, made.discovery])
    expect(app.get(SdRegistry)).toBe(registry)
    expect(made.explain()).toContain('service        orders, created')
  })

  test('decorated members of ordinary providers are bound, and unbound at the end', async () => {
    const changes: unknown[] = []
    @ConfigSection('db')
    @Injectable()
    class Database {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: placeholders are written so.
      @NacosValue<number>('${pool.size:5}')
      get size(): number {
        return 0
      }
      @ServiceDiscovery('stock')
      get stock(): Cluster {
        throw new Error('not bound')
      }
      @OnConfigChange('pool')
      onPool(change: { readonly value: unknown }): void {
        changes.push(change.value)
      }
    }
    const parts = quick({ registry: openRegistry(), config: { env: false } })
    const app = await create(rootOf([SdModule.forRoot(parts)], [Database]))
    const database = app.get(Database)
    expect(database.size).toBe(5)
    await app.init()
    await app.get<SdConfig<Record<string, object>>>(SdConfig).set('db', { pool: { size: 7 } })
    expect([database.size, database.stock.service]).toEqual([7, 'stock'])
    await vi.waitFor(() => expect(changes).toEqual([{ size: 7 }]))
    await app.close()
    expect(database.size).toBe(5)
  })
})

describe('modules', () => {
  test('are put together: registration, configuration and metrics, each of its own, some from factories', async () => {
    vi.stubEnv('ORDERS_B', 'environment')
    const registry = openRegistry()
    @Injectable()
    class Names {
      readonly path: string = '/internal/metrics'
    }
    @Module({ providers: [Names], exports: [Names] })
    class NamesModule {}

    @ServiceRegistry({ service: 'orders', version: '2.0.0', tags: ['blue'], metadata: { team: 'a' } })
    @Module({
      imports: [
        ServiceRegistryModule.forRoot({ registry, instance: { address: '127.0.0.1' }, lifecycle: { propagationDelayMs: 0 } }),
        SdConfigModule.forRootAsync({ useFactory: async () => ({ defaults: { a: 'defaults', b: 'defaults' } }) }),
        SdMetricsModule.forRootAsync({ imports: [NamesModule], inject: [Names], useFactory: ({ path }: Names) => ({ path }) }),
      ],
    })
    class RootModule {}
    const app = await create(RootModule)
    const url = await listen(app)
    expect(app.get(SdConfig).current).toEqual({ a: 'defaults', b: 'environment' })
    await vi.waitFor(async () => expect((await registry.getInstances('orders')).instances).toHaveLength(1))
    const { instances } = await registry.getInstances('orders')
    expect(instances).toMatchObject([{ version: '2.0.0', tags: ['blue'], metadata: { team: 'a' } }])
    expect(await (await fetch(`${url}/internal/metrics`)).text()).toContain('sd_')
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
  })

  test('can be given everything by a factory', async () => {
    const registry = openRegistry()
    const useFactory = (): object => ({ ...quick({ registry }), version: '3.0.0' })
    const app = await create(rootOf([SdModule.forRootAsync({ useFactory })]))
    await listen(app)
    await vi.waitFor(() => expect(app.get(SdApp).registration?.instance.version).toBe('3.0.0'))
  })

  test('of one class in two features are two objects, both bound', async () => {
    @Injectable()
    class Prices {
      @ConfigValue<string>('currency')
      get currency(): string {
        return 'none'
      }
    }
    const features = [0, 1].map((index) => {
      @Controller(`prices-${index}`)
      class PricesController {
        readonly prices: Prices
        constructor(prices: Prices) {
          this.prices = prices
        }
        @Get()
        find(): string {
          return this.prices.currency
        }
      }
      class PricesModule {}
      Module({ imports: [SdModule.forFeature([Prices])], controllers: [PricesController] })(PricesModule)
      return PricesModule
    })
    const options = quick({ registry: openRegistry(), config: { defaults: { currency: 'EUR' } } })
    const app = await create(rootOf([SdModule.forRoot(options), ...features]))
    const url = await listen(app)
    for (const index of [0, 1]) expect(await (await fetch(`${url}/prices-${index}`)).text()).toBe('EUR')
  })

  test.each<[string, RegExp, readonly unknown[]]>([
    ['no service', /service.*@ServiceRegistry/, [SdModule.forRoot({})]],
    ['SdModule twice', /SdModule: got .2 imports/, [SdModule.forRoot(quick({})), SdModule.forRoot(quick({}))]],
    [
      'an option twice',
      /registry.*SdModule and from ServiceRegistryModule/,
      [SdModule.forRoot(quick({ registry: 'memory:' })), ServiceRegistryModule.forRoot({ registry: 'memory:' })],
    ],
    ['an unknown option', /servce/, [SdModule.forRoot({ ...quick({}), servce: 1 } as object)]],
    ['signals', /lifecycle\.signals.*enableShutdownHooks/, [SdModule.forRoot(quick({ lifecycle: { signals: [] } as object }))]],
    ['onError', /onError.*Logger/, [SdModule.forRoot({ ...quick({}), onError: () => undefined } as object)]],
    ['isRegistered', /isRegistered/, [SdModule.forRoot(quick({ isRegistered: 'no' as never }))]],
    ['an unknown option of metrics', /pth/, [SdModule.forRoot(quick({})), SdMetricsModule.forRoot({ pth: '/' } as object)]],
  ])('%s is refused when the application is created', async (_name, message, imports) => {
    await expect(create(rootOf(imports as readonly object[]))).rejects.toThrow(message)
  })

  test('two classes with @ServiceRegistry are refused, and a feature that is not a class', async () => {
    const classes = ['a', 'b'].map((service) => {
      class Other {}
      Module({})(Other)
      ServiceRegistry({ service })(Other)
      return Other
    })
    await expect(create(rootOf([SdModule.forRoot({}), ...classes]))).rejects.toThrow('2 classes with @ServiceRegistry')
    expect(() => SdModule.forFeature(['stock' as never])).toThrow('features[0]')
  })
})
