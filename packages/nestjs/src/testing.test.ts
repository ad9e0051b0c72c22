import { Test } from '@nestjs/testing'
import { createMemoryConfigSource } from '@sd/config'
import { createFakeClient } from '@sd/operations'
import { afterEach, describe, expect, test } from 'vitest'
import { SdApp, SdClient, SdConfig, SdModule, SdTesting, SdTestingModule, type SdTestingOptions } from './index.ts'
import { closeAll, later, quick, rootOf, ShopModule, stock } from './testing/shop.ts'

afterEach(closeAll)

const center = createMemoryConfigSource({ name: 'center', entries: { currency: 'center' } })

/** An application as it runs in production: its registry does not respond here. */
const AppModule = rootOf([
  SdModule.forRoot(
    quick({
      registry: { type: 'memory', name: 'real' },
      config: { center, file: '/missing.yaml', defaults: { currency: 'EUR', zone: 'CET' } },
    }),
  ),
  ShopModule,
])

async function start(
  options: SdTestingOptions,
): Promise<{ readonly url: string; readonly app: Awaited<ReturnType<typeof compile>> }> {
  const app = await compile(options)
  await app.listen(0, '127.0.0.1')
  return { app, url: await app.getUrl() }
}

async function compile(options: SdTestingOptions, byDefinition?: object) {
  const building = Test.createTestingModule({ imports: [AppModule, SdTestingModule.forRoot(options)] })
  if (byDefinition) building.overrideProvider(stock).useValue(byDefinition)
  const app = (await building.compile()).createNestApplication({ logger: false })
  later(() => app.close())
  return app
}

describe('an application in a test', () => {
  test('calls handlers through the real client, and reads no configuration from outside', async () => {
    const { app, url } = await start({
      services: { stock: { 'GET /stock/{id}': ({ params }) => ({ id: params['id'], pieces: 1 }) } },
      config: { zone: 'UTC' },
    })
    const found = { id: 'a b', pieces: 1 }
    expect(await (await fetch(`${url}/orders/a%20b`)).json()).toEqual({
      stock: found,
      same: found,
      currency: 'EUR',
      greeting: 'hello',
      zone: 'UTC',
    })
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
    const { calls } = app.get(SdTesting)
    expect(calls.map(({ service, operation, path }) => [service, operation, path])).toEqual(
      new Array(2).fill(['stock', 'GET /stock/{id}', '/stock/a%20b']),
    )
    await app.get<SdConfig<Record<string, string>>>(SdConfig).set('currency', 'CHF')
    expect(await (await fetch(`${url}/orders/7`)).json()).toMatchObject({ currency: 'CHF' })
    expect(app.get(SdApp).explain()).toContain('registry       memory')
    await app.close()
  })

  test('sees requests whole, and may change its answers', async () => {
    const app = await compile({
      services: {
        stock: {
          'POST /stock/{id}': ({ body, query, headers }) => ({ body, query: [...query], type: headers.get('content-type') }),
          'GET /stock/all': () => new Response('many', { status: 203 }),
          'GET /stock/{id}': () => undefined,
          'PUT /stock/{id}': ({ body }) => ({ body }),
        },
      },
    })
    await app.init()
    const client = app.get(SdClient)
    const sent = await client.post('stock', '/stock/7', { json: { pieces: 2 }, query: { by: 'ann' } })
    expect(await sent.json()).toEqual({ body: { pieces: 2 }, query: [['by', 'ann']], type: 'application/json' })
    const all = await client.get('stock', '/stock/all')
    expect([all.status, await all.text()]).toEqual([203, 'many'])
    expect((await client.get('stock', '/stock/7')).status).toBe(204)
    expect(await (await client.put('stock', '/stock/7', { body: 'text' })).json()).toEqual({ body: 'text' })
    app.get(SdTesting).handle('stock', { 'GET /stock/{id}': () => ({ now: true }) })
    expect(await (await client.get('stock', '/stock/7')).json()).toEqual({ now: true })
    const missing = await client.get('stock', '/other')
    expect([missing.status, await missing.text()]).toEqual([501, expect.stringContaining('no handler for stock: GET /other')])
  })

  test('has the policies of the client: a handler that throws is a failed connection, and a read is repeated', async () => {
    let attempts = 0
    const app = await compile({
      services: {
        stock: {
          'GET /stock/{id}': () => {
            if (++attempts === 1) throw new Error('reset')
            return { pieces: 1 }
          },
        },
      },
    })
    await app.init()
    expect(await (await app.get(SdClient).get('stock', '/stock/7')).json()).toEqual({ pieces: 1 })
    expect(attempts).toBe(2)
  })

  test('can have the fake of a definition instead', async () => {
    const fake = createFakeClient(stock, { find: (id) => ({ id: String(id), pieces: 9 }) })
    const app = await compile({ services: { stock: { 'GET /stock/{id}': () => ({}) } } }, fake.client)
    await app.listen(0, '127.0.0.1')
    expect(await (await fetch(`${await app.getUrl()}/orders/7`)).json()).toMatchObject({ same: { id: '7', pieces: 9 } })
    expect(fake.calls).toHaveLength(1)
  })

  test('refuses what is not an operation, and an unknown option', async () => {
    await expect(compile({ services: { stock: { '/stock': () => 1 } } })).rejects.toThrow('services.stock')
    await expect(compile({ services: { stock: { 'GET /': 1 as never } } })).rejects.toThrow('services.stock.GET /')
    await expect(compile({ handlers: {} } as object)).rejects.toThrow('handlers')
  })
})
