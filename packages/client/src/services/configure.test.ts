import { createRandomBalancer } from '@sd/balancer-random'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { collectStates, SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createRetryPolicy } from '@sd/retry'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type CallExplanation, type CallFallback, formatExplanation, resilient, type ServiceClient } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

async function textOf(client: ServiceClient, path: string = '/', headers: Record<string, string> = {}): Promise<string> {
  const response = await client.get('orders', path, { headers })
  return `${response.status} ${await response.text()}`
}

describe('a fallback', () => {
  const events: TelemetryEvents['sd:v1:call:fallback'][] = []
  let unsubscribe: () => void
  let status: number
  beforeEach(async () => {
    events.length = 0
    status = 200
    unsubscribe = subscribeTelemetry('sd:v1:call:fallback', (event) => events.push(event))
    await world.serve((incoming, response) =>
      response.writeHead(status).end(`${incoming.url} ${incoming.headers['x-user'] ?? ''}`),
    )
  })
  afterEach(() => unsubscribe())

  test('is a response, for errors and for statuses of 500 and above', async () => {
    const fallback: CallFallback = { kind: 'response', response: { status: 203, json: { total: 0 }, headers: { 'x-a': '1' } } }
    const client = world.client({ fallback })
    expect(await textOf(client)).toBe('200 / ')
    status = 404
    expect(await textOf(client)).toBe('404 / ')
    status = 500
    const response = await client.get('orders', '/')
    expect([response.status, response.headers, await response.json(), response.endpoint.instance.id]).toEqual([
      203,
      { 'content-type': 'application/json', 'x-a': '1' },
      { total: 0 },
      'fallback',
    ])
    const nobody = await client.get('nobody', '/')
    expect(nobody.status).toBe(203)
    expect(events.map(({ error }) => error.code)).toEqual(['SD_HTTP_STATUS', 'SD_NO_INSTANCE'])
    expect(world.active()).toBe(0)
  })

  test('is returned by a function, which may keep the failure', async () => {
    const run = vi.fn(({ status: found }: { status?: number | undefined }) => (found === 503 ? { body: 'later' } : undefined))
    const client = world.client({ fallback: { kind: 'function', run } })
    status = 503
    expect(await textOf(client)).toBe('200 later')
    status = 500
    expect(await textOf(client, '/a')).toBe('500 /a ')
    await expect(client.get('nobody', '/')).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    expect(run.mock.calls[1]).toMatchObject([{ status: 500, error: { code: 'SD_HTTP_STATUS' } }, { path: '/a' }])
    const wrong = world.client({ fallback: { kind: 'function', run: () => ({ status: 99 }) } })
    await expect(wrong.get('orders', '/')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'fallback.status' })
  })

  test('is the last successful response to the same request', async () => {
    const key = ({ headers }: { headers: Readonly<Record<string, string>> }): string => headers['x-user'] ?? ''
    const client = world.client({ fallback: { kind: 'last-success', maxEntries: 2, maxBytes: 10, key } })
    for (const path of ['/a', '/b', '/long-long-long']) await textOf(client, path)
    await textOf(client, '/a', { 'x-user': 'me' })
    status = 500
    expect(await textOf(client, '/a', { 'x-user': 'me' })).toBe('200 /a me')
    expect(await textOf(client, '/a', { 'x-user': 'you' })).toBe('500 /a you')
    expect([await textOf(client, '/b'), await textOf(client, '/a'), await textOf(client, '/long-long-long')]).toEqual([
      '200 /b ',
      '500 /a ',
      '500 /long-long-long ',
    ])
    const short = world.client({ fallback: { kind: 'last-success', maxAgeMs: 1 } })
    status = 200
    await textOf(short)
    status = 500
    await vi.waitFor(async () => expect(await textOf(short)).toBe('500 / '))
  })

  test('is not used after an abort, and the breaker still counts the failure', async () => {
    const client = world.client({
      fallback: { kind: 'response', response: { body: 'instead' } },
      breaker: ({ name }) => createOpossumBreaker({ name, window: { kind: 'count', size: 2 } }),
    })
    await expect(client.get('orders', '/', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    status = 500
    expect([await textOf(client), await textOf(client), await textOf(client)]).toEqual(Array(3).fill('200 instead'))
    expect(events.map(({ error }) => error.code)).toEqual(['SD_HTTP_STATUS', 'SD_HTTP_STATUS', 'SD_REJECTED'])
  })
})

describe('settings', () => {
  test('change at run time, for calls that begin afterwards', async () => {
    await world.serve((incoming, response) => {
      if (incoming.url === '/slow') setTimeout(() => response.end('late'), 2_500)
      else response.end(String(incoming.headers['x-version']))
    })
    const client = world.client({ headers: { 'x-version': '1' }, services: { orders: { timeoutMs: 20_000 } } })
    const slow = textOf(client, '/slow')
    client.configureService('orders', { timeoutMs: 1_000, headers: { 'X-Version': '2' } })
    expect(await textOf(client)).toBe('200 2')
    await expect(client.get('orders', '/slow')).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    expect(await slow).toBe('200 late')
    client.configureService('orders', undefined)
    expect(await textOf(client)).toBe('200 1')
    client.configure({ headers: { 'x-version': '3' }, services: { other: {} } })
    expect(await textOf(client)).toBe('200 3')
  })

  test('that are unchanged keep the state of their policies; others begin with a new state, and replaced policies are closed', async () => {
    await world.serve((_, response) => response.writeHead(500).end())
    const limit = vi.fn(({ name }: { name: string }) => createBulkhead({ name, maxConcurrent: 1 }))
    const breaker = vi.fn(({ name }: { name: string }) => createOpossumBreaker({ name, window: { kind: 'count', size: 1 } }))
    const client = world.client({ concurrencyLimit: limit, breaker, instanceBreaker: breaker })
    await textOf(client)
    expect(client.explain('orders').policies).toMatchObject([{ state: 'open' }, { kind: 'limit' }, { state: 'open' }])
    client.configure({
      concurrencyLimit: limit,
      breaker,
      instanceBreaker: breaker,
      timeoutMs: 1_000,
      balancer: createRandomBalancer(),
    })
    expect([breaker.mock.calls.length, limit.mock.calls.length]).toEqual([2, 1])
    expect(client.explain('orders')).toMatchObject({ balancer: 'random', policies: [{ state: 'open' }, {}, { state: 'open' }] })
    client.configure({ breaker: ({ name }) => breaker({ name }) })
    expect(client.explain('orders')).toMatchObject({ balancer: 'round-robin', policies: [{ state: 'closed' }] })
    expect(limit.mock.results[0]?.value.tryAcquire()).toBeUndefined()
    expect(world.discovery.cluster('orders').view.endpoints[0]?.available).toBe(true)
    expect(collectStates().filter(({ kind }) => kind === 'breaker').length).toBe(1)
    await client.close()
    expect(collectStates().filter(({ kind }) => kind === 'breaker')).toEqual([])
  })

  test('that are invalid change nothing', async () => {
    await world.serve((incoming, response) => response.end(String(incoming.headers['x-version'])))
    const client = world.client({ headers: { 'x-version': '1' } })
    await textOf(client)
    await client.get('users', '/').catch(() => undefined)
    const headers = { 'x-version': '2' }
    const made = createBulkhead({ maxConcurrent: 1 })
    let calls = 0
    const failing = (): typeof made => {
      if (++calls === 2) throw new SdError('SD_INVALID', 'no such limit')
      return made
    }
    expect(() => client.configure({ headers, concurrencyLimit: failing })).toThrow('no such limit')
    expect(made.tryAcquire()).toBeUndefined()
    expect(await textOf(client)).toBe('200 1')
    const wrong: readonly (readonly [string, object])[] = [
      ['timeoutMs', { headers, timeoutMs: -1 }],
      ['services.orders.retry.next', { headers, services: { orders: { retry: {} } } }],
      ['services.orders.time', { headers, services: { orders: { time: 5 } } }],
      ['breaker', { headers, breaker: createOpossumBreaker() }],
      ['hedge', { headers, hedge: true }],
      ['retryBudget.ratio', { headers, retryBudget: { ratio: -1 } }],
      ['services.orders.retryBudget.ratio', { headers, services: { orders: { retryBudget: { ratio: -1 } } } }],
      ['services.orders.retryBudget.rate', { headers, services: { orders: { retryBudget: { rate: 1 } } } }],
      ['rateLimit.limiter.acquire', { headers, rateLimit: { limiter: {} } }],
      ['rateLimit.key', { headers, rateLimit: { limiter: { acquire() {} }, key: 'a' } }],
      ['fallback.kind', { headers, fallback: { kind: 'cache' } }],
      ['fallback.response.body', { headers, fallback: { kind: 'response', response: { body: 'a', json: 1 } } }],
      ['fallback.run', { headers, fallback: { kind: 'function', run: 'a' } }],
      ['fallback.maxBytes', { headers, fallback: { kind: 'last-success', maxBytes: 0 } }],
    ]
    for (const [field, settings] of wrong) {
      expect(() => client.configure(settings)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
    }
    expect(() => client.configureService('orders', { timeoutMs: 'x' as never })).toThrow('services.orders.timeoutMs')
    expect(await textOf(client)).toBe('200 1')
  })
})

test('explain reports which rule kept or dropped each endpoint of a call, and each step', async () => {
  let requests = 0
  const listener = (_: unknown, response: import('node:http').ServerResponse): void =>
    void response.writeHead(requests++ === 0 ? 503 : 200).end()
  await world.serve(listener, { id: 'a' })
  await world.serve(listener, { id: 'b' })
  await world.register(1, { id: 'sick', health: 'unhealthy' })
  const client = world.client({ retry: ({ budget }) => createRetryPolicy({ budget, backoff: { kind: 'fixed', delayMs: 1 } }) })
  let received: CallExplanation | undefined
  const response = await client.get('orders', '/total?token=SECRET', { explain: (explanation) => (received = explanation) })
  await response.bytes()
  expect(received?.cluster?.endpoints.map(({ endpoint, dropped }) => [endpoint.instance.id, dropped])).toEqual([
    ['a', undefined],
    ['b', undefined],
    ['sick', 'unhealthy'],
  ])
  expect(received?.steps.map(({ step, attempt, detail }) => [step, attempt, detail])).toEqual([
    ['picked', 1, undefined],
    ['responded', 1, '503'],
    ['retry', undefined, expect.stringMatching(/^in \d ms$/)],
    ['picked', 2, undefined],
    ['responded', 2, '200'],
  ])
  expect(received).toMatchObject({ service: 'orders', method: 'GET', path: '/total', status: 200, error: undefined })
  expect(JSON.stringify(received)).not.toContain('SECRET')
  const text = formatExplanation(received as CallExplanation)
  expect(text).toMatch(
    /^GET orders\/total\n.*\(a\) kept, weight 1\n.*\(b\) kept, weight 1\n.*\(sick\) dropped by unhealthy.*\n(.|\n)*attempt 2 .* 200\n.* ms 200$/,
  )
  await expect(
    client.get('nobody', '/', {
      explain(explanation) {
        received = explanation
        throw new Error('bug')
      },
    }),
  ).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
  expect(formatExplanation(received as CallExplanation)).toContain('SD_NO_INSTANCE')
})

describe.each([
  ['opossum', createOpossumBreaker],
  ['cockatiel', createCockatielBreaker],
])('resilient() with %s', (_, breaker) => {
  test('calls succeed while an instance fails', async () => {
    await world.serve((_request, response) => response.end('good'), { id: 'a' })
    await world.serve((_request, response) => response.writeHead(503).end(), { id: 'b' })
    // Otherwise discovery takes the instance out before its breaker has seen enough failures.
    world.discovery.configure({ coalesceMs: 0, failureAccrual: false })
    const parts = {
      // No trial before the states are compared.
      breaker: (options: Parameters<typeof breaker>[0]) => breaker({ ...options, openMs: 60_000, maxOpenMs: 60_000 }),
      retry: createRetryPolicy,
      hedge: createHedgePolicy,
      concurrencyLimit: createAdaptiveLimit,
    }
    const client = world.client(resilient(parts))
    for (let call = 0; call < 40; call++) expect(await textOf(client)).toBe('200 good')
    const { policies } = client.explain('orders')
    expect(policies.map((report) => [report.kind, 'state' in report ? report.state : undefined])).toEqual([
      ['breaker', 'closed'],
      ['limit', undefined],
      ['retry-budget', undefined],
      ['breaker', 'closed'],
      ['breaker', 'open'],
    ])
  })

  test('accepts any of its parts, and nothing else', () => {
    expect(resilient({})).toEqual({ attemptTimeoutMs: expect.any(Function) })
    expect(() => resilient({ breaker: 1 as never })).toThrow('Invalid breaker')
    expect(() => resilient({ retries: createRetryPolicy } as never)).toThrow('Invalid retries')
  })
})
