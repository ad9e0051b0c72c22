import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryConfigSource } from '@sd/config'
import { SdError } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type App, type AppOptions, createApp } from './index.ts'

const instance = { address: '127.0.0.1' }
const quick = { propagationDelayMs: 0, exit: false, signals: [] }
const open: { close(): unknown }[] = []
const warnings: string[] = []

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation((message) => void warnings.push(String(message)))
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  warnings.length = 0
})

function serve(app: () => App | undefined, text: string = 'hello'): Server {
  const server = createServer((request, response) => {
    const limit = request.headers['x-request-timeout-ms']
    if (!app()?.handle(request, response)) response.end(request.url === '/limit' ? String(limit) : text)
  }).listen(0, '127.0.0.1')
  open.push({
    close() {
      server.closeAllConnections()
      server.close()
    },
  })
  return server
}

async function make(options: Omit<AppOptions, 'service'> & { readonly service?: string }): Promise<App> {
  const app = await createApp({ service: 'orders', instance, lifecycle: quick, ...options })
  open.push(app)
  return app
}

describe('an application', () => {
  test('registers, calls by name, answers for health, and ends in order', async () => {
    const registry = createMemoryRegistry()
    open.push(registry)
    const ends: string[] = []
    const app = await make({
      version: '1.2.0',
      registry,
      needs: ['stock'],
      client: { timeoutMs: 5_000, services: { stock: { timeoutMs: 1_000 } } },
      health: [{ check: { name: 'disk', run: async () => ({}) } }],
      onClose: [() => ends.push('first'), async () => void ends.push('second')],
    })
    expect(app.state).toBe('created')
    expect((await app.respond(new Request('http://x/health/live')))?.status).toBe(200)
    expect((await app.respond(new Request('http://x/health/ready?now')))?.status).toBe(503)
    await app.start(serve(() => app))
    expect(app.state).toBe('ready')
    expect((await registry.getInstances('orders')).instances).toMatchObject([
      { version: '1.2.0', address: '127.0.0.1', needs: ['stock'] },
    ])
    expect(app.registration?.instance.service).toBe('orders')
    expect(await (await app.client.get('orders', '/')).text()).toBe('hello')
    await vi.waitFor(async () => expect((await app.client.get('orders', '/health/ready')).status).toBe(200))
    const answer = (await (await app.client.get('orders', '/health/ready?a=b')).json()) as { readonly checks: object }
    expect(Object.keys(answer.checks).sort()).toEqual(['calls stock', 'disk'])
    expect(app.respond(new Request('http://x/elsewhere'))).toBeUndefined()

    const [report, again] = await Promise.all([app.close(), app.close()])
    expect(report).toBe(again)
    expect(report).toEqual({ drained: true, errors: [] })
    expect(app.state).toBe('stopped')
    expect(ends).toEqual(['first', 'second'])
    expect((await registry.getInstances('orders')).instances).toEqual([])
    await expect(app.client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(registry.state).toBe('connected')
  })

  test('is started with the server that it is given, and explains itself', async () => {
    let app: App | undefined
    const server = serve(() => app)
    app = await make({ server, registry: 'memory:', needs: ['stock', 'users'], client: { services: { stock: {} } } })
    expect(app.state).toBe('ready')
    expect(app.explain()).toBe(
      [
        'service        orders, ready',
        'registry       memory',
        'configuration  none',
        'client         resilient(), with settings for stock',
        'needs          stock, users',
        'health         /health/live, /health/ready',
        'metrics        none',
        'admin          none',
        'tracing        none',
        'logging        none',
        'ends           on none: registration, server, 0 of onClose, client, registry, configuration, telemetry',
      ].join('\n'),
    )
    expect(warnings).toEqual([])
    await app[Symbol.asyncDispose]()
    expect(server.listening).toBe(false)
  })

  test('says aloud that it keeps instances in memory', async () => {
    const app = await make({})
    expect(warnings).toEqual([expect.stringContaining('in the memory of this process')])
    await app.start(serve(() => app))
    expect(await (await app.client.get('orders', '/')).text()).toBe('hello')
  })

  test('serves metrics, passes calls through telemetry, and closes both', async () => {
    const closed: string[] = []
    const seen: string[] = []
    const pass =
      (name: string) =>
      <T>(_: unknown, next: () => Promise<T>): Promise<T> => {
        seen.push(name)
        return next()
      }
    const app = await make({
      registry: 'memory:',
      metrics: {
        handler: (_: never, response: never) => (response as { end(text: string): void }).end('sd_up 1'),
        respond: async () => new Response('sd_up 1'),
        close: () => closed.push('metrics'),
      },
      metricsPath: '/internal/metrics',
      tracing: { call: pass('trace call'), attempt: pass('trace attempt'), close: () => closed.push('tracing') },
      logging: { interceptor: pass('log'), close: async () => void closed.push('logging') },
    })
    await app.start(serve(() => app))
    expect(await (await app.client.get('orders', '/internal/metrics?x')).text()).toBe('sd_up 1')
    expect(await (await app.respond(new Request('http://x/internal/metrics')))?.text()).toBe('sd_up 1')
    expect(seen).toEqual(['trace call', 'log', 'trace attempt'])
    const next = vi.fn()
    const written = { writeHead: vi.fn(), end: vi.fn() }
    app.middleware({ url: '/other' }, written, next)
    app.middleware({ url: '/health/live' }, written, next)
    app.middleware({}, written, next)
    expect(next).toHaveBeenCalledTimes(2)
    expect(written.writeHead).toHaveBeenCalledExactlyOnceWith(200, expect.objectContaining({ 'cache-control': 'no-store' }))
    expect(app.explain()).toContain('/internal/metrics')
    await app.close()
    expect(closed).toEqual(['tracing', 'metrics', 'logging'])
  })
})

describe('the end', () => {
  test('of an application that never started runs everything, also after a step that failed', async () => {
    const onError = vi.fn()
    const ends: string[] = []
    const failing = (): never => {
      throw new Error('pool is busy')
    }
    const app = await make({ registry: 'memory:', onClose: [failing, () => ends.push('second')], onError })
    const { errors, drained } = await app.close()
    expect([drained, errors.map(({ message }) => message)]).toEqual([true, ['Closing onClose[0]: pool is busy']])
    expect(onError).toHaveBeenCalledOnce()
    expect(ends).toEqual(['second'])
    expect((await app.respond(new Request('http://x/health/live')))?.status).toBe(503)
    await expect(app.start(serve(() => app))).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('of an application that was started ends every part, and reports a failed one once', async () => {
    const onError = vi.fn()
    const closed: string[] = []
    const app = await make({
      registry: 'memory:',
      metrics: {
        handler: () => undefined,
        close() {
          throw new Error('page is busy')
        },
      },
      logging: { interceptor: (_, next) => next(), close: () => closed.push('logging') },
      onError,
    })
    await app.start(serve(() => app))
    const { errors } = await app.close()
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('page is busy')])
    expect(onError.mock.calls).toEqual([[errors[0]]])
    expect(closed).toEqual(['logging'])
  })

  test('in two halves: client and configuration work between them', async () => {
    const registry = createMemoryRegistry()
    open.push(registry)
    const other = serve(() => undefined, 'stock')
    await new Promise((resolve) => other.once('listening', resolve))
    await registry.register({ service: 'stock', address: '127.0.0.1', port: (other.address() as { port: number }).port })
    const ends: string[] = []
    const app = await make({ registry, config: { env: false }, onClose: [() => ends.push('database')] })
    const server = serve(() => app)
    await app.start(server)
    const halves = [app.drain(), app.drain()]
    expect(app.state).toBe('stopping')
    expect(halves[0]).toBe(halves[1])
    expect(await halves[0]).toEqual({ drained: true, errors: [] })
    expect([server.listening, app.state, ends]).toEqual([false, 'stopping', []])
    expect((await registry.getInstances('orders')).instances).toEqual([])
    expect(await (await app.client.get('stock', '/')).text()).toBe('stock')
    await expect(app.start(server)).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(await app.close()).toEqual({ drained: true, errors: [] })
    expect([app.state, ends]).toEqual(['stopped', ['database']])
    await expect(app.client.get('stock', '/')).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(await app.drain()).toEqual({ drained: true, errors: [] })
  })

  test('drained before it was started registers nothing', async () => {
    const registry = createMemoryRegistry()
    open.push(registry)
    const app = await make({ registry })
    const starting = app.start(serve(() => app))
    const draining = app.drain()
    await starting.catch(() => undefined)
    await draining
    expect((await registry.getInstances('orders')).instances).toEqual([])
    expect((await app.close()).errors).toEqual([])
  })

  test('has a limit for each step', async () => {
    const app = await make({
      registry: 'memory:',
      onClose: [() => new Promise(() => undefined)],
      lifecycle: { ...quick, stepTimeoutMs: 50 },
      onError: () => undefined,
    })
    expect((await app.close()).errors).toMatchObject([{ code: 'SD_TIMEOUT' }])
  })

  test('while it starts registers nothing', async () => {
    const registry = createMemoryRegistry()
    open.push(registry)
    const app = await make({ registry })
    const server = createServer()
    const starting = app.start(server)
    const ending = app.close()
    await starting.catch(() => undefined)
    await ending
    expect((await registry.getInstances('orders')).instances).toEqual([])
    expect(app.state).toBe('stopped')
  })
})

describe('configuration', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sd-app-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('comes from defaults, files, the environment and centers, in this order', async () => {
    await writeFile(join(folder, 'app.yaml'), 'b: file\nc: file\nd: file\nmaxSize: 1\n')
    vi.stubEnv('ORDERS_C', 'environment')
    vi.stubEnv('ORDERS_D', 'environment')
    vi.stubEnv('ORDERS_MAX_SIZE', '7')
    const center = createMemoryConfigSource({ name: 'center', entries: { d: 'center' } })
    const schema = z.object({ a: z.string(), b: z.string(), c: z.string(), d: z.string(), maxSize: z.coerce.number() })
    const app = await createApp({
      service: 'orders',
      registry: 'memory:',
      config: {
        schema,
        defaults: { a: 'defaults', b: 'defaults', c: 'defaults', d: 'defaults' },
        file: [join(folder, 'app.yaml'), join(folder, 'missing.yaml')],
        center,
      },
    })
    open.push(app)
    expect(app.config.current).toEqual({ a: 'defaults', b: 'file', c: 'environment', d: 'center', maxSize: 7 })
    const size: number = app.config.current.maxSize
    expect(size).toBe(7)
    expect(app.explain()).toContain('environment ORDERS_* < center center; follows sd.registry and sd.client')
    await app.close()
    await expect(center.load()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('of a center is placed below a path', async () => {
    const center = createMemoryConfigSource({ name: 'center', entries: { size: '3' } })
    const app = await make({ registry: 'memory:', config: { env: false, center: [{ source: center, at: 'shop' }] } })
    expect(app.config.get('shop.size')).toBe(3)
    expect(app.explain()).toContain('defaults < center center')
    await app.close()
    await expect(center.load()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('that is refused ends the start, and closes what was made', async () => {
    const center = createMemoryConfigSource({ name: 'center', entries: { size: 'many' } })
    const config = { schema: z.object({ size: z.coerce.number() }), center }
    await expect(createApp({ service: 'orders', config })).rejects.toThrow('size')
    await expect(center.load()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('sets the client while it runs; what is refused changes nothing', async () => {
    const onError = vi.fn()
    const center = createMemoryConfigSource({ name: 'center', entries: { 'app.yaml': 'sd: { client: { timeoutMs: 4000 } }' } })
    const app = await make({ registry: 'memory:', config: { env: false, center }, client: { timeoutMs: 9_000 }, onError })
    await app.start(serve(() => app))
    /** What is left of the time limit when a request arrives, in whole seconds, rounded up. */
    const limitOf = async (): Promise<number> =>
      Math.ceil(Number(await (await app.client.get('orders', '/limit')).text()) / 1_000)
    expect(await limitOf()).toBe(4)
    const breaker = app.client.breaker('orders')
    await center.put('app.yaml', 'sd: { client: { timeoutMs: 3000, services: { orders: { timeoutMs: 2000 } } } }')
    await vi.waitFor(async () => expect(await limitOf()).toBe(2))
    expect(app.client.breaker('orders')).toBe(breaker)
    await center.put('app.yaml', 'sd: { client: { timeoutMs: soon } }')
    await vi.waitFor(() => expect(onError).toHaveBeenCalledOnce())
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'SD_INVALID', field: 'sd.client.timeoutMs' })
    expect(await limitOf()).toBe(2)
    await center.put('app.yaml', 'sd: { proxy: yes }')
    await vi.waitFor(() => expect(onError).toHaveBeenCalledTimes(2))
    await center.put('app.yaml', 'other: 1')
    await vi.waitFor(async () => expect(await limitOf()).toBe(9))
  })

  test('changes the registry while it runs, without a failed call', async () => {
    const before = createMemoryRegistry({ name: 'before' })
    open.push(before)
    const center = createMemoryConfigSource({ name: 'center', entries: { 'app.yaml': '{}' } })
    const app = await make({ registry: before, config: { env: false, center }, registryOverlapMs: 300 })
    await app.start(serve(() => app))
    let isCalling = true
    const failures: unknown[] = []
    let calls = 0
    const calling = (async () => {
      while (isCalling) {
        await app.client.get('orders', '/').then(
          (response) => response.text(),
          (error) => failures.push(error),
        )
        calls++
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    })()
    await center.put('app.yaml', 'sd: { registry: "memory:?name=after" }')
    await vi.waitFor(() => expect(app.explain()).toContain('registry       after'))
    expect((await before.getInstances('orders')).instances).toHaveLength(1)
    await vi.waitFor(async () => expect((await before.getInstances('orders')).instances).toEqual([]), { timeout: 10_000 })
    const seen = calls
    await vi.waitFor(() => expect(calls).toBeGreaterThan(seen + 20), { timeout: 10_000 })
    isCalling = false
    await calling
    expect(failures).toEqual([])
    expect((await app.registry.getInstances('orders')).instances).toHaveLength(1)
  })

  test('that names a registry that cannot be made is reported, and the one before stays', async () => {
    const onError = vi.fn()
    const center = createMemoryConfigSource({ name: 'center', entries: { 'app.yaml': 'sd: { registry: "memory:" }' } })
    const app = await make({ config: { env: false, center }, onError })
    expect(warnings).toEqual([])
    await center.put('app.yaml', 'sd: { registry: "tape:" }')
    await vi.waitFor(() => expect(onError).toHaveBeenCalledOnce())
    await center.put('app.yaml', 'sd: { registry: 7 }')
    await vi.waitFor(() => expect(onError).toHaveBeenCalledTimes(2))
    expect(onError.mock.calls[1]?.[0]).toMatchObject({ code: 'SD_INVALID', field: 'sd.registry' })
    await app.start(serve(() => app))
    expect(await (await app.client.get('orders', '/')).text()).toBe('hello')
  })
})

describe('mistakes', () => {
  test.each<[string, object]>([
    ['service', { service: '' }],
    ['servce', { servce: 'a' }],
    ['instance.service', { instance: { service: 'x' } }],
    ['instance', { instance: 'x' }],
    ['needs', { needs: 'stock' }],
    ['needs[0]', { needs: [''] }],
    ['metrics.handler', { metrics: {} }],
    ['metrics.respond', { metrics: { handler: () => undefined, respond: 'page' } }],
    ['metricsPath', { metricsPath: 'metrics' }],
    ['tracing.call', { tracing: {} }],
    ['tracing.attempt', { tracing: { call: () => undefined } }],
    ['logging.interceptor', { logging: {} }],
    ['onClose[0]', { onClose: [1] }],
    ['health', { health: {} }],
    ['config.env', { config: { env: 7 } }],
    ['config.file[0]', { config: { file: '' } }],
    ['config.settingsAt', { config: { settingsAt: '' } }],
    ['registryOverlapMs', { registryOverlapMs: -1 }],
    ['lifecycle.stepTimeoutMs', { lifecycle: { stepTimeoutMs: 0 } }],
    ['onError', { onError: 1 }],
    ['timeoutMs', { client: { timeoutMs: -1 } }],
  ])('in %s are named', async (field, options) => {
    const error = await createApp({ service: 'orders', registry: 'memory:', ...options } as AppOptions).catch(
      (caught: unknown) => caught,
    )
    expect(error instanceof SdError && [error.code, error.field]).toEqual(['SD_INVALID', field])
  })

  test('a second server, and configuration that was not given', async () => {
    const app = await make({ registry: 'memory:' })
    await app.start(serve(() => app))
    await expect(app.start(serve(() => app))).rejects.toMatchObject({ code: 'SD_INVALID', field: 'server' })
    expect(() => app.config).toThrow(expect.objectContaining({ field: 'config' }))
  })

  test('a server that can not be registered ends everything', async () => {
    const registry = createMemoryRegistry()
    open.push(registry)
    await expect(
      createApp({ service: 'orders', registry, instance, server: createServer(), lifecycle: { ...quick, startTimeoutMs: 50 } }),
    ).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
  })
})
