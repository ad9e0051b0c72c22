import { createServer } from 'node:http'
import { createMetrics } from '@sd/metrics-prometheus'
import { createMemoryRegistry } from '@sd/registry-memory'
import { afterEach, describe, expect, test } from 'vitest'
import { type App, type AppOptions, createApp } from './index.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(options: Partial<AppOptions>): Promise<App> {
  const registry = createMemoryRegistry()
  const lifecycle = { propagationDelayMs: 0, exit: false, signals: [] }
  const app = await createApp({ service: 'orders', registry, instance: { address: '127.0.0.1' }, lifecycle, ...options })
  const server = createServer((request, response) => {
    if (!app.handle(request, response)) response.end('hello')
  }).listen(0, '127.0.0.1')
  open.push(registry, app)
  await app.start(server)
  return app
}

/** Asks the endpoint that the instance registered. */
async function ask(app: App, path: string, body?: object): Promise<{ readonly status: number; readonly json: never }> {
  const port = app.registration?.instance.ports?.['sd-admin']
  const response = await fetch(`http://127.0.0.1:${port}/sd/v1${path}`, {
    ...(body && {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sd-console': '1' },
      body: JSON.stringify({ ...body, reason: 'a test' }),
    }),
  })
  return { status: response.status, json: (await response.json()) as never }
}

describe('the admin endpoint of an application', () => {
  test('is registered as sd-admin, reads everything and changes nothing', async () => {
    const metrics = createMetrics()
    const app = await start({ admin: { port: 0 }, metrics, instance: { address: '127.0.0.1', ports: { extra: 4_000 } } })
    expect(app.registration?.instance.ports).toEqual({ extra: 4_000, 'sd-admin': expect.any(Number) })
    await (await app.client.get('orders', '/')).text()
    const { json } = await ask(app, '/snapshot')
    expect(json).toMatchObject({
      info: { name: 'orders', controls: [], instances: [{ service: 'orders' }] },
      edges: {
        edges: [
          { service: 'orders', total: 1 },
          { service: 'orders', total: 1 },
        ],
      },
    })
    expect((await ask(app, '/breakers/orders', { state: 'open' })).status).toBe(405)
    expect(app.explain()).toMatch(/^admin +http:\/\/127\.0\.0\.1:\d+\/sd\/v1$/m)
    const url = `http://127.0.0.1:${app.registration?.instance.ports?.['sd-admin']}/sd/v1`
    await app.close()
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  test('changes what it was permitted to', async () => {
    const controls = { breakers: true, calls: true, config: true, draining: true }
    const app = await start({ admin: { port: 0, controls, onAudit: () => {} }, config: { env: false, defaults: { size: 1 } } })
    expect((await ask(app, '/')).json).toMatchObject({ controls: ['breakers', 'config', 'draining', 'calls'] })
    expect((await ask(app, '/breakers/orders', { state: 'isolated' })).status).toBe(200)
    expect(app.client.breaker('orders')?.state).toBe('isolated')
    await ask(app, '/breakers/orders', { state: 'closed' })
    expect((await ask(app, '/config/set', { path: 'size', value: 2 })).status).toBe(200)
    expect(app.config.get('size' as never)).toBe(2)
    expect((await ask(app, '/calls/try', { service: 'orders', path: '/' })).json).toMatchObject({ after: { status: 200 } })
    expect((await ask(app, '/draining', { draining: true })).status).toBe(200)
    expect(app.registration?.instance.health.status).toBe('draining')
    await ask(app, '/draining', { draining: false })
    expect(app.registration?.instance.health.status).toBe('healthy')
  })

  test('without a permission the control does not exist, also if another one needs the same part', async () => {
    const app = await start({ admin: { port: 0, controls: { calls: true } } })
    expect((await ask(app, '/')).json).toMatchObject({ controls: ['calls'] })
    expect((await ask(app, '/breakers/orders', { state: 'isolated' })).status).toBe(405)
  })

  test('two on one machine find a port each', async () => {
    const [one, other] = [await start({ admin: true }), await start({ service: 'stock', admin: true })]
    const names = await Promise.all(
      [one, other].map(async (app) => ((await ask(app, '/')).json as { readonly name: string }).name),
    )
    expect(names).toEqual(['orders', 'stock'])
  })

  test('is not registered if only this machine reaches it', async () => {
    const app = await start({ admin: { port: 0 }, instance: { address: '10.0.0.1', port: 80 } })
    expect(app.registration?.instance.ports).toBeUndefined()
  })

  test.each<[string, AppOptions['admin']]>([
    ['admin', 5 as never],
    ['admin.controls.breakers', { controls: { breakers: 'yes' as never } }],
    ['admin.controls.silences', { controls: { silences: true } as never }],
    ['admin.controls.config', { port: 0, controls: { config: true } }],
    ['admin.authenticate', { port: 0, host: '0.0.0.0' }],
  ])('names the wrong option: %s', async (field, admin) => {
    await expect(start({ admin: admin as never })).rejects.toMatchObject({ code: 'SD_INVALID', field })
  })
})
