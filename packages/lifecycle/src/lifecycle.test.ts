import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry, createMemoryStore } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import express from 'express'
import Fastify from 'fastify'
import { describe, expect, test, vi } from 'vitest'
import { createLifecycle, type LifecycleOptions } from './index.ts'

const instance = { service: 'orders', address: '127.0.0.1' }

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function setUp(listener: RequestListener, options: Partial<LifecycleOptions> = {}) {
  const registry = createMemoryRegistry()
  const server = createServer(listener)
  const origin = await listen(server)
  const errors: string[] = []
  const lifecycle = createLifecycle({
    registrar: registry,
    server,
    instance,
    propagationDelayMs: 50,
    signals: [],
    onError: ({ message }) => errors.push(message),
    ...options,
  })
  return { registry, server, origin, lifecycle, errors }
}

describe('start', () => {
  test('registers with the port of the server, once it listens', async () => {
    const registry = createMemoryRegistry()
    const server = createServer()
    const lifecycle = createLifecycle({ registrar: registry, server, instance, signals: [], propagationDelayMs: 0 })
    const starting = Promise.all([lifecycle.start(), lifecycle.start()])
    expect(lifecycle.state).toBe('starting')
    expect((await registry.getInstances('orders')).instances).toEqual([])
    server.listen(0, '127.0.0.1')
    await starting
    const { port } = server.address() as AddressInfo
    expect(lifecycle.state).toBe('ready')
    expect((await registry.getInstances('orders')).instances).toMatchObject([{ port }])
    await lifecycle.close()
    await registry.close()
  })

  test('succeeds while the registry is unreachable, and registers after the registry recovers', async () => {
    const store = createMemoryStore()
    store.setAvailable(false)
    const registry = createMemoryRegistry({ store })
    const { lifecycle } = await setUp(() => undefined, { registrar: registry })
    await lifecycle.start()
    expect(lifecycle.registration?.state).toBe('recovering')
    store.setAvailable(true)
    await eventually(() => expect(lifecycle.registration?.state).toBe('active'), 10_000)
    await lifecycle.close()
  })

  test.each([
    [{ address: 'http://x' }, 'instance.address', 'want a host name'],
    [{ address: undefined }, 'instance.address', 'such as that of await advertisedAddress()'],
    [{ weight: -1 }, 'instance.weight', 'Invalid instance.weight: got -1'],
  ])('an invalid instance is rejected before the start: %j', (change, field, text) => {
    const options = { registrar: createMemoryRegistry(), server: createServer(), instance: { ...instance, ...change } as never }
    expect(() => createLifecycle(options)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field, message: expect.stringContaining(text) }),
    )
  })
})

describe('health probes', () => {
  test('liveness is always 200, readiness only while ready', async () => {
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      if (!lifecycle.handleHealth(request, response)) response.end('app')
    }
    const { lifecycle, origin } = await setUp(handle, { propagationDelayMs: 1_500 })
    const status = async (path: string): Promise<number> => (await fetch(origin + path)).status
    expect([await status('/health/live'), await status('/health/ready?x'), await status('/')]).toEqual([200, 503, 200])
    await lifecycle.start()
    expect(await status('/health/ready')).toBe(200)
    const closing = lifecycle.close()
    expect([await status('/health/live'), await status('/health/ready')]).toEqual([200, 503])
    expect((await fetch(`${origin}/`)).headers.get('connection')).toBe('close')
    await closing
  })
})

describe('close', () => {
  test('deregisters first, then drains, then runs the hooks in order', async () => {
    const order: string[] = []
    const [arrived, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { lifecycle, origin, registry } = await setUp(
      async (_, response) => {
        arrived.resolve()
        await mayEnd.promise
        order.push('answered')
        response.end()
      },
      { onShutdown: [async () => order.push('hook 1'), () => order.push('hook 2')], propagationDelayMs: 10 },
    )
    await lifecycle.start()
    const under = fetch(origin)
    await arrived.promise
    const closing = lifecycle.close()
    await eventually(async () => expect((await registry.getInstances('orders')).instances).toEqual([]), 5_000)
    order.push('out')
    mayEnd.resolve()
    const [report, again] = await Promise.all([closing, lifecycle.close(), under])
    expect(report).toEqual({ drained: true, errors: [] })
    expect(again).toBe(report)
    expect(order).toEqual(['out', 'answered', 'hook 1', 'hook 2'])
    expect(lifecycle.state).toBe('stopped')
  })

  test('cuts off and reports a hanging request; a step that fails or hangs does not prevent the next', async () => {
    const last = vi.fn()
    const hooks = [() => Promise.reject(new Error('broken')), () => new Promise(() => undefined), last]
    const arrived = Promise.withResolvers<void>()
    const { lifecycle, origin, registry, errors } = await setUp(() => arrived.resolve(), {
      drainTimeoutMs: 50,
      stepTimeoutMs: 50,
      onShutdown: hooks,
    })
    await lifecycle.start()
    const hanging = fetch(origin).catch(() => 'cut')
    await arrived.promise
    registry.setConnected(false)
    const report = await lifecycle.close()
    expect(await hanging).toBe('cut')
    expect(report.drained).toBe(false)
    expect(errors).toEqual([
      expect.stringContaining("can't reach its store"),
      'Cut after drainTimeoutMs = 50 ms: 1 request',
      'onShutdown[0]: broken',
      'onShutdown[1] took longer than 50 ms',
    ])
    expect(report.errors.map(({ message }) => message)).toEqual(errors)
    expect(last).toHaveBeenCalledOnce()
  })

  test('ends the lifecycle before start, and while it waits for the server', async () => {
    const { lifecycle } = await setUp(() => undefined)
    expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
    const late = createServer()
    const waiting = createLifecycle({
      registrar: createMemoryRegistry(),
      server: late,
      instance,
      stepTimeoutMs: 20,
      onError: () => undefined,
    })
    const started = waiting.start()
    expect((await waiting.close()).errors).toEqual([])
    late.listen(0, '127.0.0.1')
    await started
    expect(waiting.registration).toBeUndefined()
    late.close()
    expect(process.listeners('SIGTERM').length).toBe(0)
  })

  const frameworks: Record<string, () => Promise<{ server: Server; close: () => Promise<unknown> }>> = {
    'node:http': async () => {
      const server = createServer((_, response) => void setTimeout(() => response.end('ok'), 5))
      await listen(server)
      return { server, close: async () => undefined }
    },
    Express: async () => {
      const app = express()
      app.get('/', (_, response) => void setTimeout(() => response.send('ok'), 5))
      const server = app.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return { server, close: async () => undefined }
    },
    Fastify: async () => {
      const app = Fastify()
      app.get('/', async () => {
        await delay(5)
        return 'ok'
      })
      await app.listen({ port: 0, host: '127.0.0.1' })
      return { server: app.server, close: () => app.close() }
    },
  }

  test.concurrent.each(Object.entries(frameworks))(
    'an instance of %s leaves under load without a failed call',
    async (_, makeServer) => {
      const store = createMemoryStore()
      const registry = createMemoryRegistry({ store })
      const discovery = createDiscovery({ source: registry })
      const client = createServiceClient({
        discovery,
        balancer: createRoundRobinBalancer(),
        retry: { name: 'never', next: () => undefined },
      })
      const [staying, leaving] = [await makeServer(), await makeServer()]
      const lifecycles = [staying, leaving].map(({ server, close }) =>
        createLifecycle({ registrar: registry, server, instance, propagationDelayMs: 1_000, signals: [], onShutdown: [close] }),
      )
      for (const lifecycle of lifecycles) await lifecycle.start()
      let calls = 0
      let running = true
      const failures: unknown[] = []
      async function load(): Promise<void> {
        while (running) {
          await client.get('orders', '/').then(
            (response) => response.text().then(() => calls++),
            (error: unknown) => failures.push(error),
          )
        }
      }
      const loads = Array.from({ length: 8 }, load)
      await delay(100)
      const report = await lifecycles[1]?.close()
      await delay(100)
      running = false
      await Promise.all(loads)
      expect(report).toEqual({ drained: true, errors: [] })
      expect(failures).toEqual([])
      expect(calls).toBeGreaterThan(20)
      await lifecycles[0]?.close()
      await Promise.all([client.close(), discovery.close(), registry.close()])
    },
  )
})

test('invalid options name the field', async () => {
  const options = { registrar: createMemoryRegistry(), server: createServer(), instance }
  expect(() => createLifecycle({ ...options, drainTimeoutMs: -1 })).toThrow('Invalid drainTimeoutMs')
  expect(() => createLifecycle({ ...options, server: {} as never })).toThrow('Invalid server')
  expect(() => createLifecycle({ ...options, signals: ['TERM' as never] })).toThrow('Invalid signals[0]')
  expect(() => createLifecycle({ ...options, onShutdown: [1 as never] })).toThrow('Invalid onShutdown[0]')
})
