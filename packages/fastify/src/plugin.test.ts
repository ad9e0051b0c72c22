import type { ServerResponse } from 'node:http'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createBulkhead } from '@sd/concurrency-limit'
import { createLogger, createServiceLogging } from '@sd/logging-pino'
import { createMetrics } from '@sd/metrics-prometheus'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { createServerLimits } from '@sd/server-limits'
import { createTracing } from '@sd/tracing-opentelemetry'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { type FastifyService, type SdFastifyOptions, sdFastify } from './index.ts'

let registry: MemoryRegistry
beforeEach(() => {
  registry = createMemoryRegistry()
})
afterEach(() => registry.close())

/** In an object: an application is a promise of its start. */
async function make(
  options: Partial<SdFastifyOptions> = {},
  app: FastifyInstance = Fastify(),
): Promise<{ readonly app: FastifyInstance }> {
  onTestFinished(async () => void (await app.close().catch(() => undefined)))
  await app.register(sdFastify, {
    service: 'orders',
    registry,
    instance: { address: '127.0.0.1' },
    lifecycle: { propagationDelayMs: 0, exit: false, signals: [] },
    ...options,
  })
  return { app }
}

/** Listens, and waits for the registration. */
async function listen(app: FastifyInstance): Promise<string> {
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  await vi.waitFor(() => expect(app.sd.state).toBe('ready'))
  return origin
}

const instances = async (): Promise<number> => (await registry.getInstances('orders')).instances.length

describe('a service', () => {
  test('is registered while it listens, calls by name, answers for health and passes the deadline on', async () => {
    const { app } = await make({ version: '1.2.0' })
    app.get('/stock', async ({ deadlineAt }) => ({ leftMs: deadlineAt && Math.ceil(deadlineAt - performance.now()) }))
    app.get('/order', async ({ deadlineAt }) => {
      const response = await app.sd.client.get('orders', '/stock', { deadlineAt })
      return response.ensureOk().json()
    })
    expect(app.sd.state).toBe('created')
    const origin = await listen(app)
    expect(app.sd.registration?.instance).toMatchObject({ version: '1.2.0', address: '127.0.0.1' })
    expect((await fetch(`${origin}/health/ready`)).status).toBe(200)
    const answer = await fetch(`${origin}/order`, { headers: { 'x-request-timeout-ms': '29000' } })
    const { leftMs } = (await answer.json()) as { readonly leftMs: number }
    expect(leftMs).toBeGreaterThan(0)
    expect(leftMs).toBeLessThanOrEqual(29_000)
    expect(app.sd.explain()).toContain('orders 1.2.0, ready')
    await app.close()
    expect(app.sd.state).toBe('stopped')
    expect(await instances()).toBe(0)
    await expect(app.sd.client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('is not registered under inject(), where it can call and answers that it is not ready', async () => {
    const { app } = await make()
    app.get('/', async ({ deadlineAt }) => ({ deadlineAt, state: app.sd.state }))
    expect((await app.inject('/')).json()).toEqual({ state: 'created' })
    expect((await app.inject('/health/live')).statusCode).toBe(200)
    expect((await app.inject('/health/ready?a=b')).statusCode).toBe(503)
    expect((await app.inject('/health/other')).statusCode).toBe(404)
    expect(await instances()).toBe(0)
    expect(process.listenerCount('SIGTERM')).toBe(0)
  })

  test('is seen in encapsulated routes, also in those that were registered before it', async () => {
    const app = Fastify()
    await app.register(async (child) => {
      child.get('/before', async ({ deadlineAt }) => ({ isKnown: deadlineAt !== undefined, same: child.sd === app.sd }))
    })
    await make({}, app)
    await app.register(async (child) => {
      child.get('/after', async ({ deadlineAt }) => ({ isKnown: deadlineAt !== undefined, same: child.sd === app.sd }))
    })
    const headers = { 'x-request-timeout-ms': '1000' }
    expect((await app.inject({ url: '/before', headers })).json()).toEqual({ isKnown: true, same: true })
    expect((await app.inject({ url: '/after', headers })).json()).toEqual({ isKnown: true, same: true })
  })

  test('of one encapsulated part is not seen by the others, and ends with the application', async () => {
    const app = Fastify()
    await app.register(async (child) => {
      await make({}, child)
      child.get('/inside', async () => child.sd.service)
    })
    app.get('/outside', async (request) => ({ sd: 'sd' in app, deadlineAt: 'deadlineAt' in request }))
    expect((await app.inject('/inside')).body).toBe('orders')
    expect((await app.inject('/outside')).json()).toEqual({ sd: false, deadlineAt: false })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await vi.waitFor(async () => expect(await instances()).toBe(1))
    await app.close()
    expect(await instances()).toBe(0)
  })

  test.each([
    ['without a prefix', ''],
    ['with a prefix', '/api'],
  ])('of one encapsulated part, %s, answers for health and metrics too', async (_, prefix) => {
    const app = Fastify()
    const metrics = { handler: (_request: never, response: never) => void (response as ServerResponse).end('sd_up 1') }
    await app.register(async (child) => void (await make({ metrics }, child)), { prefix })
    expect((await app.inject(`${prefix}/health/live`)).statusCode).toBe(200)
    expect((await app.inject(`${prefix}/health/ready`)).json()).toEqual({ status: 'created' })
    expect((await app.inject(`${prefix}/metrics`)).body).toBe('sd_up 1')
    await app.close()
  })

  test('has configuration that is read when it is used, with the type of the application', async () => {
    vi.stubEnv('ORDERS_CURRENCY', 'CHF')
    const schema = z.object({ currency: z.string() })
    const { app } = await make({ config: { schema, defaults: { currency: 'EUR' } } })
    app.get('/', async () => {
      const { config } = app.getDecorator<FastifyService<z.infer<typeof schema>>>('sd')
      return config.current.currency.toLowerCase()
    })
    expect((await app.inject('/')).body).toBe('chf')
    await app.sd.config.set('currency', 'NOK')
    expect((await app.inject('/')).body).toBe('nok')
    vi.unstubAllEnvs()
  })
})

describe('hooks', () => {
  test('serve metrics, log requests, trace them and refuse them; none of that is done for health', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    onTestFinished(() => context.disable())
    const exporter = new InMemorySpanExporter()
    const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
    const lines: { readonly path?: string; readonly request_id?: string; readonly msg?: string }[] = []
    const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
    const { logger, context: logContext } = createLogger({
      service: 'orders',
      level: 'debug',
      writers: [{ kind: 'stream', stream }],
    })
    const limits = createServerLimits({ concurrency: createBulkhead({ maxConcurrent: 1 }), trusted: true })
    const { app } = await make({
      logging: createServiceLogging({ logger, context: logContext, events: false }),
      tracing: createTracing({ tracerProvider }),
      metrics: createMetrics(),
      limits,
      client: { retry: false, hedge: false },
    })
    app.post('/order', async ({ deadlineAt, body }) => {
      logger.info('in a route')
      expect(trace.getActiveSpan()).toBeDefined()
      const call = await app.sd.client.get('orders', '/')
      return { body, known: deadlineAt !== undefined, status: call.status }
    })
    const origin = await listen(app)
    const headers = { 'x-request-timeout-ms': '30000', 'x-request-id': 'r1', 'content-type': 'application/json' }
    const answer = await fetch(`${origin}/order`, { method: 'POST', headers, body: '{"pieces":1}' })
    // The call inside finds no place: one request at a time.
    expect(await answer.json()).toEqual({ body: { pieces: 1 }, known: true, status: 503 })
    expect(await (await fetch(`${origin}/metrics`)).text()).toContain('sd_server_refusals_total')
    await fetch(`${origin}/health/ready`)
    await app.close()
    const served = lines.filter(({ path }) => path !== undefined).map(({ path }) => path)
    expect(new Set(served)).toEqual(new Set(['/order', '/']))
    expect(lines.find((line) => JSON.stringify(line).includes('in a route'))?.request_id).toBe('r1')
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toContain('POST /order')
    expect(exporter.getFinishedSpans().map(({ name }) => name)).not.toContain('GET /metrics')
  })

  test('of telemetry that has none leave served requests alone', async () => {
    const seen: string[] = []
    const note =
      (name: string) =>
      <T>(_: unknown, next: () => Promise<T>): Promise<T> => {
        seen.push(name)
        return next()
      }
    const { app } = await make({
      logging: { interceptor: note('log') },
      tracing: { call: note('call'), attempt: note('attempt') },
    })
    app.get('/', async () => 'served')
    await listen(app)
    expect(await (await app.sd.client.get('orders', '/')).text()).toBe('served')
    expect(seen).toEqual(['call', 'log', 'attempt'])
  })
})

describe('mistakes', () => {
  test.each<[string, object]>([
    ['service', { service: '' }],
    ['server', { server: {} }],
    ['prefix', { prefix: '/a' }],
    ['limits.addFastifyHooks', { limits: {} }],
    ['limits.admissionOf', { limits: { addFastifyHooks: () => undefined } }],
    ['limits.close', { limits: { addFastifyHooks: () => undefined, admissionOf: () => undefined } }],
    ['logging.addFastifyHooks', { logging: { interceptor: () => undefined, addFastifyHooks: 1 } }],
    ['tracing.middleware', { tracing: { call: () => undefined, attempt: () => undefined, middleware: 1 } }],
    ['failOnRefusal', { failOnRefusal: 'yes' }],
    ['onError', { onError: 1 }],
  ])('in %s end the start and are named', async (field, options) => {
    await expect(make(options as Partial<SdFastifyOptions>)).rejects.toMatchObject({ code: 'SD_INVALID', field })
  })

  test('a second registration', async () => {
    const { app } = await make()
    await expect(make({}, app)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'sdFastify' })
  })

  test('configuration that is refused ends the start, before anything listens', async () => {
    const app = Fastify()
    const config = { schema: z.object({ size: z.coerce.number() }), defaults: { size: 'many' } }
    void app.register(sdFastify, { service: 'orders', registry, config })
    await expect(app.listen({ port: 0 })).rejects.toMatchObject({ code: 'SD_INVALID', message: expect.stringContaining('size') })
    expect(app.server.listening).toBe(false)
    await app.close()
  })
})
