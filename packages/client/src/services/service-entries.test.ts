import { createRandomBalancer } from '@sd/balancer-random'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type AdaptiveLimit, type Bulkhead, createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { collectStates } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createMemoryRegistry } from '@sd/registry-memory'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PolicyScope, ServiceClient } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  vi.useRealTimers()
  await world.close()
})

async function textOf(client: ServiceClient, path: string = '/', method: string = 'GET'): Promise<string> {
  const response = await client.request('orders', path, { method })
  return `${response.status} ${await response.text()}`
}

/** A server whose responses wait until they are released. */
async function serveHeld(): Promise<{ readonly release: () => void; readonly arrived: () => number }> {
  const held: (() => void)[] = []
  let arrived = 0
  let isReleased = false
  await world.serve((_, response) => {
    arrived++
    if (isReleased) response.end('ok')
    else held.push(() => response.end('ok'))
  })
  return {
    release() {
      isReleased = true
      for (const respond of held.splice(0)) respond()
    },
    arrived: () => arrived,
  }
}

type Limit = Bulkhead | AdaptiveLimit

describe.each<[string, (name: string, places: number) => Limit]>([
  ['a bulkhead', (name, maxConcurrent) => createBulkhead({ name, maxConcurrent, maxQueued: 100, queueTimeoutMs: 60_000 })],
  [
    'an adaptive limit',
    (name, minLimit) => createAdaptiveLimit({ name, minLimit, maxQueued: 100, queueTimeoutMs: 60_000, maxEventLoopDelayMs: 0 }),
  ],
])('replaced policies, with the queue of %s', (_limit, createLimit) => {
  const limits =
    (made: Limit[], places: number) =>
    ({ name }: PolicyScope) => {
      const limit = createLimit(name, places)
      made.push(limit)
      return limit
    }

  test.each([
    [
      'configure',
      (client: ServiceClient, concurrencyLimit: (scope: PolicyScope) => Limit) => client.configure({ concurrencyLimit }),
    ],
    [
      'configureService',
      (client: ServiceClient, concurrencyLimit: (scope: PolicyScope) => Limit) =>
        client.configureService('orders', { concurrencyLimit }),
    ],
    [
      'its own operation',
      (client: ServiceClient, concurrencyLimit: (scope: PolicyScope) => Limit) =>
        client.configureService('orders', { concurrencyLimit: false, operations: { 'GET /': { concurrencyLimit } } }),
    ],
  ])('serve their waiting calls, and are closed after the last one, %s', async (_, reconfigure) => {
    const { release, arrived } = await serveHeld()
    const made: Limit[] = []
    const client = world.client({ concurrencyLimit: limits(made, 2) })
    const calls = Array.from({ length: 10 }, () => textOf(client))
    await vi.waitFor(() => expect(arrived()).toBe(2))
    reconfigure(client, limits(made, 50))
    const later = textOf(client)
    await vi.waitFor(() => expect(arrived()).toBe(3))
    expect(made.map(({ load }) => [load.active, load.waiting])).toEqual([
      [2, 8],
      [1, 0],
    ])
    release()
    expect(await Promise.all(calls)).toEqual(Array(10).fill('200 ok'))
    expect(await later).toBe('200 ok')
    expect(made[0]?.tryAcquire()).toBeUndefined()
    await expect(made[0]?.acquire()).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(made[1]?.tryAcquire()).toBeDefined()
  })

  test('stay while a later, also replaced, set of settings uses them', async () => {
    const { release, arrived } = await serveHeld()
    const made: Limit[] = []
    const concurrencyLimit = limits(made, 1)
    const client = world.client({ concurrencyLimit })
    const first = textOf(client)
    await vi.waitFor(() => expect(arrived()).toBe(1))
    client.configure({ concurrencyLimit, timeoutMs: 9_000 })
    const second = textOf(client)
    client.configure({})
    expect(made[0]?.load.waiting).toBe(1)
    release()
    expect(await Promise.all([first, second])).toEqual(['200 ok', '200 ok'])
    expect(made[0]?.tryAcquire()).toBeUndefined()
  })

  test('a call that retries after its balancer was replaced still finds an instance', async () => {
    const { release, arrived } = await serveHeld()
    const client = world.client({ retry: { name: 'once', next: ({ attempt }) => (attempt === 1 ? 1 : undefined) } })
    const call = textOf(client)
    await vi.waitFor(() => expect(arrived()).toBe(1))
    client.configure({ balancer: createRandomBalancer() })
    release()
    expect(await call).toBe('200 ok')
  })

  test('are closed by close(), and after many changes, even if calls wait', async () => {
    const { arrived } = await serveHeld()
    const made: Limit[] = []
    const client = world.client({ concurrencyLimit: limits(made, 1) })
    const calls = [textOf(client), textOf(client)].map((call) => call.catch(({ code }) => code))
    await vi.waitFor(() => expect(arrived()).toBe(1))
    for (let change = 0; change < 150; change++) client.configure({ timeoutMs: 5_000 + change })
    expect(await calls[1]).toBe('SD_CLOSED')
    await client.close()
    expect(await calls[0]).toBe('SD_CLOSED')
  })
})

describe('services that are no longer called', () => {
  test('unknown names, four times as many as are kept, never displace a real service, by every kind of call', async () => {
    const registry = createMemoryRegistry()
    const discovery = createDiscovery({ source: registry, maxServices: 250, idleMs: 1_000 })
    const client = world.client({ discovery })
    await world.serve((_, response) => response.end('ok'))
    const { port } =
      world.discovery.cluster('orders').view.endpoints[0]?.instance ?? (await world.discovery.discoverOne('orders'))
    await registry.register({ service: 'late', address: '127.0.0.1', port })
    for (let name = 0; name < 1_000; name++) {
      if (name % 4 === 0) await client.get(`guess-${name}`, '/').catch(() => undefined)
      else if (name % 4 === 1) client.explain(`guess-${name}`)
      else if (name % 4 === 2) client.breaker(`guess-${name}`)
      else await client.fetch(`http://guess-${name}/`).catch(() => undefined)
    }
    const response = await client.get('late', '/')
    expect(response.status).toBe(200)
    await response.text()
    await client.close()
    await discovery.close()
    await registry.close()
  })

  test('are forgotten with their policies, unknown ones soon, isolated ones never', async () => {
    await world.serve((_, response) => response.end('ok'))
    const client = world.client({ idleMs: 5_000, breaker: ({ name }) => createOpossumBreaker({ name }) })
    await world.discovery.cluster('orders').ready()
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const names = (): readonly string[] => collectStates().flatMap((state) => (state.kind === 'breaker' ? [state.breaker] : []))
    client.explain('unknown')
    client.explain('orders')
    client.breaker('kept')?.isolate()
    expect(names()).toEqual(['unknown', 'orders', 'kept'])
    vi.advanceTimersByTime(3_000)
    expect(names()).toEqual(['orders', 'kept'])
    client.explain('orders')
    vi.advanceTimersByTime(4_000)
    expect(names()).toEqual(['orders', 'kept'])
    vi.advanceTimersByTime(2_000)
    expect(names()).toEqual(['kept'])
    expect(client.breaker('kept')?.state).toBe('isolated')
    client.breaker('kept')?.close()
    vi.advanceTimersByTime(6_000)
    expect(names()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('are not forgotten while a call is in progress', async () => {
    const { release, arrived } = await serveHeld()
    const client = world.client({ idleMs: 1, breaker: ({ name }) => createOpossumBreaker({ name }) })
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const call = textOf(client)
    await vi.waitFor(() => expect(arrived()).toBe(1))
    vi.advanceTimersByTime(5_000)
    expect(collectStates().filter(({ kind }) => kind === 'breaker')).toHaveLength(1)
    release()
    expect(await call).toBe('200 ok')
    vi.advanceTimersByTime(2_000)
    expect(collectStates().filter(({ kind }) => kind === 'breaker')).toHaveLength(0)
  })

  test('configureService creates policies for that service only', async () => {
    const made = vi.fn(({ name }: PolicyScope) => createOpossumBreaker({ name }))
    const client = world.client({ breaker: made })
    for (const name of ['a', 'b', 'c']) client.explain(name)
    client.configureService('b', { breaker: ({ name }) => made({ name } as PolicyScope) })
    expect(made.mock.calls.map(([{ name }]) => name)).toEqual(['a', 'b', 'c', 'b'])
  })
})

describe('settings by operation', () => {
  const breaker = ({ name }: PolicyScope) => createOpossumBreaker({ name, window: { kind: 'count', size: 2 } })

  test('a breaker of one operation does not reject the others', async () => {
    await world.serve((request, response) => response.writeHead(request.url?.startsWith('/reports') ? 500 : 200).end())
    const client = world.client({
      breaker,
      services: { orders: { operations: { 'POST /reports': { breaker: ({ name }) => breaker({ name } as PolicyScope) } } } },
    })
    for (let call = 0; call < 2; call++) expect(await textOf(client, '/reports?year=2026', 'POST')).toBe('500 ')
    await expect(textOf(client, '/reports', 'POST')).rejects.toMatchObject({ code: 'SD_REJECTED' })
    for (let call = 0; call < 5; call++) expect(await textOf(client, '/stock')).toBe('200 ')
    expect(client.explain('orders')).toMatchObject({
      operations: ['POST /reports'],
      policies: [
        { breaker: 'orders', state: 'closed' },
        { breaker: 'orders POST /reports', state: 'open' },
      ],
    })
  })

  test('an operation inherits omitted settings from the service, and shares those policies', async () => {
    await world.serve((request, response) => {
      setTimeout(() => response.end(String(request.headers['x-a'])), request.url === '/slow' ? 200 : 0)
    })
    const client = world.client({
      headers: { 'x-a': '1' },
      services: {
        orders: { breaker, timeoutMs: 50, operations: { 'GET /slow': { timeoutMs: 5_000, headers: { 'x-a': '2' } } } },
      },
    })
    expect(await textOf(client, '/slow')).toBe('200 2')
    expect(await textOf(client, '/fast')).toBe('200 1')
    expect(client.explain('orders').policies.filter(({ kind }) => kind === 'breaker')).toHaveLength(1)
    const viaFetch = await client.fetch('http://orders/slow')
    expect(await viaFetch.text()).toBe('2')
  })

  test('a rate limit of an operation has its own key', async () => {
    await world.serve((_, response) => response.end())
    const limiter = createMemoryRateLimiter({ limit: 1, windowMs: 60_000 })
    const client = world.client({
      services: { orders: { operations: { 'GET /a': { rateLimit: { limiter } }, 'GET /b': { rateLimit: { limiter } } } } },
    })
    expect([await textOf(client, '/a'), await textOf(client, '/b')]).toEqual(['200 ', '200 '])
    await expect(textOf(client, '/a')).rejects.toMatchObject({ code: 'SD_REJECTED' })
    await limiter.close()
  })

  test('are kept if they are unchanged, and errors name the path', async () => {
    const client = world.client({ breaker })
    const own = vi.fn(({ name }: PolicyScope) => breaker({ name } as PolicyScope))
    client.configure({ breaker, services: { orders: { operations: { 'GET /a': { breaker: own } } } } })
    client.explain('orders')
    client.configure({ breaker, services: { orders: { timeoutMs: 5, operations: { 'GET /a': { breaker: own } } } } })
    expect(own).toHaveBeenCalledTimes(1)
    for (const [field, operations] of [
      ['services.orders.operations', { 'get /a': {} }],
      ['services.orders.operations', { 'GET a': {} }],
      ['services.orders.operations', { 'GET /{': {} }],
      ['services.orders.operations[GET /a].timeoutMs', { 'GET /a': { timeoutMs: -1 } }],
      ['services.orders.operations[GET /a].balancer', { 'GET /a': { balancer: {} } }],
      ['services.orders.operations[GET /a].instanceBreaker', { 'GET /a': { instanceBreaker: breaker } }],
    ] as const) {
      expect(() => client.configureService('orders', { operations } as never)).toThrow(
        expect.objectContaining({ code: 'SD_INVALID', field }),
      )
    }
  })
})
