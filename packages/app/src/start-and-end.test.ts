import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Registry, SdError } from '@sd/core'
import { createMemoryRegistry, createMemoryStore } from '@sd/registry-memory'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type App, type AppOptions, createApp } from './index.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

function listen(port: number = 0): Server {
  const server = createServer((_, response) => response.end('hello')).listen(port, '127.0.0.1')
  open.push({
    close() {
      server.closeAllConnections()
      server.close()
    },
  })
  return server
}

async function make(options: Partial<AppOptions>): Promise<App> {
  const lifecycle = { propagationDelayMs: 0, signals: [], ...options.lifecycle }
  const app = await createApp({
    service: 'orders',
    registry: 'memory:',
    instance: { address: '127.0.0.1' },
    ...options,
    lifecycle,
  })
  open.push(app)
  return app
}

async function readiness(app: App): Promise<unknown> {
  const response = await app.respond(new Request('http://x/health/ready'))
  return [response?.status, await response?.json()]
}

describe('a registry that is unreachable at the start', () => {
  test('is waited for no longer than for a first answer; the app serves, and is registered once it is reachable', async () => {
    const store = createMemoryStore()
    const registry = createMemoryRegistry({ store })
    open.push(registry)
    store.setAvailable(false)
    const onError = vi.fn()
    const app = await make({ registry, onError })
    await app.start(listen())
    expect(app.state).toBe('ready')
    expect(await readiness(app)).toEqual([200, { status: 'ok' }])
    expect(app.registration?.state).toBe('recovering')
    store.setAvailable(true)
    await vi.waitFor(() => expect(app.registration?.state).toBe('active'), { timeout: 20_000 })
    expect((await registry.getInstances('orders')).instances).toHaveLength(1)
    expect(onError).not.toHaveBeenCalled()
  })

  test('does not keep the app from ending', async () => {
    const store = createMemoryStore()
    const registry = createMemoryRegistry({ store })
    open.push(registry)
    const app = await make({ registry, onError: () => undefined, lifecycle: { stepTimeoutMs: 2_000 } })
    await app.start(listen())
    store.setAvailable(false)
    expect((await app.close()).drained).toBe(true)
    expect(app.state).toBe('stopped')
  })
})

describe('a start that fails', () => {
  test('because the registry refuses the instance: the error, not registered, and it can be ended', async () => {
    const memory = createMemoryRegistry()
    open.push(memory)
    const refusing = Object.create(memory, {
      register: { value: () => Promise.reject(new SdError('SD_DENIED', 'The token may not register orders')) },
    }) as Registry
    const app = await make({ registry: refusing })
    await expect(app.start(listen())).rejects.toMatchObject({ code: 'SD_DENIED', message: 'The token may not register orders' })
    expect(app.state).toBe('created')
    expect(await readiness(app)).toEqual([503, { status: 'created' }])
    expect(await app.close()).toEqual({ drained: true, errors: [] })
    expect(app.state).toBe('stopped')
  })

  test.each([
    ['with an address', { address: '127.0.0.1' }],
    ['with an address that has to be found', {}],
  ])('because the port is in use: the error names it, %s', async (_, instance) => {
    const first = listen()
    await vi.waitFor(() => expect(first.listening).toBe(true))
    const { port } = first.address() as AddressInfo
    const app = await make({ instance })
    await expect(app.start(listen(port))).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: `The server does not listen: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
    })
    expect(app.state).toBe('created')
    expect(await app.close()).toEqual({ drained: true, errors: [] })
  })

  test('because of a wrong instance names the field', async () => {
    const app = await make({})
    const wrong = { service: 'stock' } as object
    await expect(app.start(listen(), wrong)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'instance.service' })
  })

  test('in createApp ends everything', async () => {
    const registry = createMemoryRegistry()
    open.push(registry)
    const first = listen()
    await vi.waitFor(() => expect(first.listening).toBe(true))
    const closed: string[] = []
    const server = listen((first.address() as AddressInfo).port)
    await expect(make({ registry, server, onClose: [() => closed.push('database')] })).rejects.toThrow('EADDRINUSE')
    expect(closed).toEqual(['database'])
    expect((await registry.getInstances('orders')).instances).toEqual([])
  })
})

describe('closing', () => {
  test('twice is once, also while it runs', async () => {
    const hook = vi.fn()
    const app = await make({ onClose: [hook] })
    await app.start(listen())
    const ends = [app.close(), app.close()]
    expect(ends[0]).toBe(ends[1])
    expect(app.state).toBe('stopping')
    expect(await Promise.all(ends)).toEqual(Array(2).fill({ drained: true, errors: [] }))
    expect(await app.close()).toEqual({ drained: true, errors: [] })
    expect(hook).toHaveBeenCalledOnce()
  })
})

describe('what is registered', () => {
  test('is what start() is given, above the option', async () => {
    const registry = createMemoryRegistry()
    open.push(registry)
    const app = await make({ registry, instance: { address: '127.0.0.1', tags: ['blue'], weight: 2 } })
    await app.start(listen(), { weight: 3 })
    expect((await registry.getInstances('orders')).instances).toMatchObject([{ tags: ['blue'], weight: 3 }])
    await app.close()
    expect((await registry.getInstances('orders')).instances).toEqual([])
  })
})
