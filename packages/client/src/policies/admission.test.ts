import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { collectStates, type Outcome, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resilient, type ServiceClient } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
let refusals: string[]
let unsubscribe: () => void
beforeEach(() => {
  world = createWorld()
  refusals = []
  unsubscribe = subscribeTelemetry('sd:v1:call:refused', ({ policy, name }: TelemetryEvents['sd:v1:call:refused']) =>
    refusals.push(`${policy} ${name}`),
  )
})
afterEach(async () => {
  unsubscribe()
  await world.close()
})

const rejected = { code: 'SD_REJECTED', retryable: true }
async function statusOf(client: ServiceClient, path: string = '/'): Promise<number> {
  const response = await client.get('orders', path)
  await response.bytes()
  return response.status
}

test('policies run from the outside in, and all permits are settled', async () => {
  const requested: string[] = []
  const settled: unknown[] = []
  function ask<T>(name: string, next: () => T): T {
    requested.push(name)
    return next()
  }
  const guard = (name: string) => () => ({
    name,
    tryAcquire() {
      requested.push(name)
      return { settle: ({ ok, status }: { ok: boolean; status?: number | undefined }) => settled.push([name, ok, status]) }
    },
  })
  await world.serve((_, response) => response.writeHead(requested.length > 6 ? 200 : 503).end('x'))
  const breaker = (name: string) => (): ReturnType<typeof createOpossumBreaker> =>
    ({ ...createOpossumBreaker(), ...guard(name)() }) as never
  const client = world.client({
    interceptors: {
      call: [(_, next) => ask('call interceptor', next)],
      attempt: [(_, next) => ask('attempt interceptor', next)],
    },
    rateLimit: {
      limiter: { ...createMemoryRateLimiter({ limit: 9, windowMs: 1_000 }), name: 'rate limit' },
      key: () => ask('rate limit', () => 'a'),
    },
    concurrencyLimit: () => ({ ...guard('concurrency limit')(), load: { max: 1, active: 0, waiting: 0 }, close() {} }),
    breaker: breaker('breaker'),
    retry: { name: 'once more', next: ({ attempt }) => ask('retry', () => (attempt === 1 ? 1 : undefined)) },
    instanceBreaker: breaker('instance breaker'),
  })
  expect(await statusOf(client)).toBe(200)
  const attempt = ['instance breaker', 'attempt interceptor', 'retry']
  expect(requested).toEqual(['call interceptor', 'rate limit', 'concurrency limit', 'breaker', ...attempt, ...attempt])
  expect(settled).toEqual([
    ['instance breaker', false, 503],
    ['instance breaker', true, 200],
    ['concurrency limit', true, 200],
    ['breaker', true, 200],
  ])
})

describe('a rate limit', () => {
  test('rejects calls over it, per service or by its own key, and can make them wait', async () => {
    await world.serve((_, response) => response.end())
    const limiter = createMemoryRateLimiter({ limit: 2, windowMs: 100_000, name: 'per user' })
    const client = world.client({ rateLimit: { limiter, key: ({ headers }) => headers['x-user'] ?? 'nobody', cost: () => 2 } })
    const call = (user: string) => client.get('orders', '/', { headers: { 'x-user': user } })
    await call('a')
    await expect(call('a')).rejects.toMatchObject({ ...rejected, cause: { allowed: false } })
    await call('b')
    expect(refusals).toEqual(['rate-limit per user'])
    client.configure({ rateLimit: { limiter: createMemoryRateLimiter({ limit: 1, windowMs: 50 }), wait: true } })
    expect(await Promise.all([1, 2, 3].map(() => statusOf(client)))).toEqual([200, 200, 200])
  })
})

describe('a concurrency limit', () => {
  test('counts a call until its body has ended, for whatever reason', async () => {
    const open: ServerResponse[] = []
    await world.serve((_, response) => {
      response.writeHead(200).write('head')
      open.push(response)
    })
    const client = world.client({ concurrencyLimit: ({ name }) => createBulkhead({ name, maxConcurrent: 2 }) })
    const controller = new AbortController()
    const [first, second] = await Promise.all([
      client.get('orders', '/'),
      client.get('orders', '/', { signal: controller.signal }),
    ])
    await expect(client.get('orders', '/')).rejects.toMatchObject(rejected)
    expect(refusals).toEqual(['concurrency-limit orders'])
    const reports = collectStates().filter(({ kind }) => kind === 'limit')
    expect(reports).toEqual([{ kind: 'limit', limit: 'orders', service: 'orders', max: 2, active: 2, waiting: 0 }])
    first.cancel()
    controller.abort()
    await expect(second.bytes()).rejects.toMatchObject({ code: 'SD_ABORTED' })
    const third = await client.get('orders', '/')
    for (const response of open) response.end()
    expect(await third.text()).toBe('head')
    await eventually(() => expect(collectStates().find(({ kind }) => kind === 'limit')).toMatchObject({ active: 0 }), 1_000)
  })

  const queue = { maxQueued: 2, queueTimeoutMs: 5_000 }

  test.each([
    ['a bulkhead', () => createBulkhead({ maxConcurrent: 1, ...queue })],
    ['an adaptive limit', () => createAdaptiveLimit({ minLimit: 1, maxLimit: 1, maxEventLoopDelayMs: 0, ...queue })],
  ])('a call waits in the queue of %s, and leaves it with its deadline', async (_, concurrencyLimit) => {
    await world.serve((_request, response) => setTimeout(() => response.end(), 300))
    const client = world.client({ concurrencyLimit })
    const calls = [client.get('orders', '/'), client.get('orders', '/'), client.get('orders', '/', { timeoutMs: 20 })]
    await expect(calls[2]).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    expect((await Promise.all(calls.slice(0, 2))).map(({ status }) => status)).toEqual([200, 200])
    expect(refusals).toEqual([])
  })

  test('waiting time is not latency of the service', async () => {
    await world.serve((_, response) => setTimeout(() => response.end(), 100))
    const latencies: (number | undefined)[] = []
    const limit = createBulkhead({ maxConcurrent: 1, maxQueued: 9, queueTimeoutMs: 5_000 })
    const breaker = { ...createOpossumBreaker(), tryAcquire: () => ({ settle: noteLatency }) }
    function noteLatency({ latencyMs }: Outcome): void {
      latencies.push(latencyMs)
    }
    const client = world.client({ concurrencyLimit: () => limit, breaker: () => breaker })
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: 4 }, () => statusOf(client)))
    const elapsedMs = performance.now() - startedAt
    // One after the other: their sum is at most the elapsed time.
    expect(latencies).toHaveLength(4)
    expect(latencies.reduce((sum = 0, latencyMs = Number.NaN) => sum + latencyMs, 0)).toBeLessThanOrEqual(elapsedMs)
  })

  test('resilient() serves the burst of calls after a stall of the process', async () => {
    await world.serve((_, response) => setTimeout(() => response.end(), 10))
    const client = world.client(resilient({ concurrencyLimit: createAdaptiveLimit }))
    const calls: Promise<number>[] = []
    for (let round = 0; round < 2; round++) {
      const endAt = performance.now() + 200
      while (performance.now() < endAt);
      for (let call = 0; call < 150; call++) calls.push(statusOf(client))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]))
    expect(refusals).toEqual([])
  })
})

describe.each([
  ['opossum', createOpossumBreaker],
  ['cockatiel', createCockatielBreaker],
] as const)('a service breaker on %s', (_, createBreaker) => {
  test('opens, protects the service, and closes again', async () => {
    let isUp = false
    let requests = 0
    await world.serve((_request, response) => {
      requests++
      response.writeHead(isUp ? 200 : 500).end()
    })
    const client = world.client({
      breaker: ({ name }) => createBreaker({ name, window: { kind: 'count', size: 5 }, openMs: 50, trials: 1 }),
    })
    for (let call = 0; call < 5; call++) expect(await statusOf(client)).toBe(500)
    await expect(client.get('orders', '/')).rejects.toMatchObject(rejected)
    expect([requests, refusals]).toEqual([5, ['breaker orders']])
    expect(client.explain('orders').policies).toEqual([
      { kind: 'breaker', breaker: 'orders', service: 'orders', state: 'open', reason: 'failure-rate', since: expect.any(Number) },
    ])
    isUp = true
    await eventually(async () => expect(await statusOf(client)).toBe(200), 1_000)
    expect(client.explain('orders').policies).toMatchObject([{ state: 'closed' }])
  })

  test('judges the whole call: a failure that a retry recovers from does not count, nor does an abort', async () => {
    let requests = 0
    await world.serve((_request, response) => {
      requests++
      if (requests > 20) return
      response.writeHead(requests % 2 === 1 ? 503 : 200).end()
    })
    const client = world.client({
      breaker: ({ name }) => createBreaker({ name, window: { kind: 'count', size: 5 } }),
      retry: ({ budget }) => createRetryPolicy({ budget, backoff: { kind: 'fixed', delayMs: 1 } }),
    })
    for (let call = 0; call < 10; call++) expect(await statusOf(client)).toBe(200)
    for (let call = 0; call < 10; call++) {
      const signal = AbortSignal.timeout(10)
      await expect(client.get('orders', '/', { signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    }
    expect(client.explain('orders').policies[0]).toMatchObject({ state: 'closed' })
  })
})

describe('an instance breaker', () => {
  const options = { window: { kind: 'count', size: 4 }, openMs: 150, trials: 1 } as const

  test('takes a failing instance out, tries it again, and readmits it', async () => {
    const requests = { good: 0, bad: 0 }
    let isUp = false
    await world.serve(
      (_, response) => {
        requests.good++
        response.end()
      },
      { id: 'a' },
    )
    await world.serve(
      (_, response) => {
        requests.bad++
        response.writeHead(isUp ? 200 : 500).end()
      },
      { id: 'b' },
    )
    const client = world.client({ instanceBreaker: ({ name }) => createOpossumBreaker({ name, ...options }) })
    const other = world.client()
    for (let call = 0; call < 8; call++) await statusOf(client)
    expect(requests.bad).toBe(4)
    for (let call = 0; call < 8; call++) expect(await statusOf(client)).toBe(200)
    expect(requests.bad).toBe(4)
    const { cluster, policies } = client.explain('orders')
    expect(cluster.endpoints.map(({ dropped }) => dropped)).toEqual([undefined, 'breaker'])
    expect(policies).toMatchObject([{ state: 'closed' }, { state: 'open', service: 'orders', instanceId: expect.any(String) }])
    isUp = true
    await eventually(async () => {
      await statusOf(client)
      expect(requests.bad).toBeGreaterThan(4)
    }, 2_000)
    await eventually(
      () => expect(client.explain('orders').policies).toMatchObject([{ state: 'closed' }, { state: 'closed' }]),
      1_000,
    )
    await other.close()
  })

  test('does not stop calls if all are open, and the first success closes one; a closed client releases the endpoints', async () => {
    let isUp = false
    await world.serve((_, response) => response.writeHead(isUp ? 200 : 500).end())
    const client = world.client({ instanceBreaker: ({ name }) => createOpossumBreaker({ name, ...options, openMs: 60_000 }) })
    for (let call = 0; call < 4; call++) expect(await statusOf(client)).toBe(500)
    expect(await statusOf(client)).toBe(500)
    expect(client.explain('orders')).toMatchObject({ cluster: { isPanic: true }, policies: [{ state: 'open' }] })
    isUp = true
    expect(await statusOf(client)).toBe(200)
    expect(client.explain('orders')).toMatchObject({ cluster: { isPanic: false }, policies: [{ state: 'closed' }] })
    const [endpoint] = world.discovery.cluster('orders').view.endpoints
    client.breaker('orders', endpoint?.instance.id)?.isolate()
    await expect(client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    expect(endpoint?.available).toBe(false)
    await client.close()
    expect(endpoint?.available).toBe(true)
  })

  test('trials over its limit go to other instances, or are made anyway: breakers leave no client without instances', async () => {
    await world.serve((_, response) => response.end())
    const refusing = { ...createOpossumBreaker({ name: 'full' }), tryAcquire: () => undefined }
    const client = world.client({ instanceBreaker: () => refusing })
    expect(await statusOf(client)).toBe(200)
    expect(refusals).toEqual(['instance-breaker full'])
  })

  test('an attempt that an interceptor responds to releases its permit', async () => {
    await world.serve((_, response) => response.end())
    const breaker = createOpossumBreaker({ ...options, openMs: 1 })
    breaker.open()
    await eventually(() => expect(breaker.state).toBe('half-open'), 1_000)
    let isCached = true
    const client = world.client({
      instanceBreaker: () => breaker,
      interceptors: {
        attempt: [
          async ({ endpoint }, next) => {
            if (!isCached) return next()
            const body = (async function* () {})()
            return { status: 200, headers: {}, body, endpoint }
          },
        ],
      },
    })
    for (let call = 0; call < 3; call++) expect(await statusOf(client)).toBe(200)
    expect(breaker.state).toBe('half-open')
    isCached = false
    expect(await statusOf(client)).toBe(200)
    expect(breaker.state).toBe('closed')
  })
})

test('breakers can be operated manually', async () => {
  await world.serve((_, response) => response.end(), { id: 'a' })
  const breaker = ({ name }: { name: string }): ReturnType<typeof createOpossumBreaker> => createOpossumBreaker({ name })
  const client = world.client({ breaker, instanceBreaker: breaker })
  expect([client.breaker('orders', 'a'), world.client().breaker('orders')]).toEqual([undefined, undefined])
  await statusOf(client)
  client.breaker('orders')?.isolate()
  await expect(client.get('orders', '/')).rejects.toMatchObject(rejected)
  client.breaker('orders')?.close()
  client.breaker('orders', 'a')?.isolate()
  await expect(client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
  client.breaker('orders', 'a')?.close()
  expect(await statusOf(client)).toBe(200)
})

test('an early return of an interceptor leaves no permit taken', async () => {
  const server = await world.serve((_, response) => setTimeout(() => response.end(), 20))
  const limit = createBulkhead({ maxConcurrent: 3, maxQueued: 100, queueTimeoutMs: 5_000 })
  const client = world.client({
    concurrencyLimit: () => limit,
    breaker: ({ name }) => createOpossumBreaker({ name }),
    instanceBreaker: ({ name }) => createOpossumBreaker({ name }),
    retry: ({ budget }) => createRetryPolicy({ budget }),
  })
  const calls = Array.from({ length: 60 }, (_, index) =>
    client.get('orders', '/', { signal: AbortSignal.timeout(index * 4), timeoutMs: 300 }).then((response) => response.bytes()),
  )
  await Promise.allSettled(calls)
  await eventually(() => expect([limit.load.active, limit.load.waiting, world.active()]).toEqual([0, 0, 0]), 2_000)
  server.closeAllConnections()
  await once(server.close(), 'close')
})
