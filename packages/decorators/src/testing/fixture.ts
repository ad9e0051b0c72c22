// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.
// biome-ignore-all lint/suspicious/noConsole: it is a program.
import { createServer } from 'node:http'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createServiceClient } from '@sd/client'
import { createConfig, createMemoryConfigSource } from '@sd/config'
import {
  bind,
  breakerOf,
  CircuitBreaker,
  ConfigSection,
  ConfigValue,
  NacosConfig,
  NacosValue,
  nacosConfigOf,
  needsBinding,
  OnConfigChange,
  RateLimit,
  Retry,
  registryOptionsOf,
  ServiceCall,
  ServiceClient,
  ServiceDiscovery,
  ServiceRegistry,
  sent,
  unbind,
} from '@sd/decorators'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createMemoryRegistry } from '@sd/registry-memory'
import { retry } from '@sd/retry'
import { z } from 'zod'

const Stock = z.object({ pieces: z.number() })
const limiter = createMemoryRateLimiter({ limit: 2, windowMs: 60_000 })

@ServiceClient('stock')
class StockClient {
  @ServiceCall('GET /stock/{id}', { response: Stock })
  find(_id: string): Promise<{ pieces: number }> {
    return sent()
  }
  @ServiceCall('POST /stock/{id}')
  reserve(_id: string, _body: { pieces: number }): Promise<unknown> {
    return sent()
  }
}

class BigStockClient extends StockClient {}

@ConfigSection('shop')
@ServiceRegistry({ service: 'orders', version: '1.0.0' })
class Orders {
  changes: unknown[] = []
  failures = 0
  stock: StockClient
  constructor(stock: StockClient) {
    this.stock = stock
  }
  @ConfigValue<string>('currency')
  get currency(): string {
    return 'EUR'
  }
  @ConfigValue<number>('missing', { required: true })
  get missing(): number {
    return 1
  }
  @NacosValue<number>('${limit:10}')
  get limit(): number {
    return 1
  }
  @ServiceDiscovery('stock')
  get cluster(): import('@sd/core').Cluster {
    return sent()
  }
  @OnConfigChange('currency')
  onCurrency(change: { value: unknown }): void {
    this.changes.push(change.value)
  }
  @CircuitBreaker((options) => createCockatielBreaker({ ...options, minimumCalls: 2 }), {
    fallback: (error: unknown, id: string) => `fallback ${id} ${(error as Error).message.slice(0, 6)}`,
  })
  async place(id: string): Promise<string> {
    if (id === 'bad') throw new Error('broken')
    return `${id} ${this.currency}`
  }
  @Retry((work) => retry(work, { maxAttempts: 3, backoff: { kind: 'fixed', delayMs: 1 } }))
  async flaky(): Promise<number> {
    if (++this.failures < 3) throw Object.assign(new Error('again'), { code: 'ECONNRESET' })
    return this.failures
  }
  @RateLimit(limiter, { key: (user: string) => user })
  async search(user: string): Promise<string> {
    return user
  }
  @RateLimit(limiter)
  static async all(): Promise<string> {
    return 'all'
  }
}

@NacosConfig({ dataId: 'orders.yaml', group: 'SHOP', at: 'shop' })
class OrdersSettings {
  @NacosValue<string>('${currency}')
  get currency(): string {
    return 'none'
  }
}

const lines: unknown[] = []
const server = createServer((request, response) => response.end(request.method === 'GET' ? '{"pieces":3}' : '{}')).listen(
  0,
  '127.0.0.1',
)
await new Promise((resolve) => server.once('listening', resolve))
const registry = createMemoryRegistry()
await registry.register({ service: 'stock', address: '127.0.0.1', port: (server.address() as { port: number }).port })
const discovery = createDiscovery({ source: registry })
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
const source = createMemoryConfigSource({ entries: { 'app.yaml': 'shop: { currency: CHF }' } })
const config = await createConfig({ sources: [source] })

const orders = bind(new Orders(bind(new BigStockClient(), { client })), { config, discovery })
lines.push(await orders.stock.find('7'), await orders.stock.reserve('7', { pieces: 1 }))
lines.push(orders.currency, orders.limit, orders.cluster.service, new Orders(orders.stock).currency)
try {
  orders.missing
} catch (error) {
  lines.push((error as Error).message)
}
await source.put('app.yaml', 'shop: { currency: USD, limit: 7 }')
await config.reload()
lines.push(orders.currency, orders.limit, orders.changes, bind(new OrdersSettings(), { config }).currency)
unbind(orders)
bind(orders, { config })
lines.push(await orders.place('a'), await orders.place('bad'), await orders.place('bad'), await orders.place('c'))
lines.push(breakerOf(orders, 'place')?.state, breakerOf(new Orders(orders.stock), 'place'), await orders.flaky())
lines.push(await orders.search('ann'), await orders.search('ann'))
for (const call of [() => orders.search('ann'), () => new StockClient().find('7')]) {
  await call().then(
    () => lines.push('no error'),
    (error) => lines.push(`${error.code} ${error.field}`),
  )
}
lines.push(await Orders.all(), registryOptionsOf(Orders), nacosConfigOf(OrdersSettings), nacosConfigOf(Orders))
lines.push(needsBinding(orders), needsBinding(Orders), needsBinding(server))
console.log(JSON.stringify(lines, (_, value) => (value === undefined ? null : value)))
await client.close()
await discovery.close()
await registry.close()
await config.close()
await source.close()
await limiter.close()
server.close()
