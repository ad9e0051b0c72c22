import { createOpossumBreaker } from '@sd/breaker-opossum'
import type { ServiceSettings } from '@sd/client'
import { createBulkhead } from '@sd/concurrency-limit'
import { subscribeTelemetry } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import { describe, expect, test } from 'vitest'
import { callKind, type Kind, kinds } from './testing/kinds.ts'
import { grpcModulesToTest } from './testing/modules.ts'
import type { GrpcJs, IncomingCall } from './testing/orders.ts'
import { createStage, type Stage } from './testing/stage.ts'

const path: Readonly<Record<Kind, string>> = {
  unary: '/shop.Orders/Unary',
  'client stream': '/shop.Orders/Collect',
  'server stream': '/shop.Orders/List',
  bidi: '/shop.Orders/Chat',
}
const answers: Readonly<Record<Kind, string>> = { unary: 'a', 'client stream': 'x', 'server stream': 'x', bidi: 'a: x' }
const retry: ServiceSettings['retry'] = ({ budget }) =>
  createRetryPolicy({ budget, backoff: { kind: 'fixed', delayMs: 0, jitter: 0 } })

/** Records the events of some channels as short texts. */
function listen(): { readonly notified: string[] } & Disposable {
  const notified: string[] = []
  const ends = [
    subscribeTelemetry('sd:v1:attempt:end', ({ status, grpcStatus, error }) =>
      notified.push(`attempt ${error?.code ?? `${status} ${grpcStatus}`}`),
    ),
    subscribeTelemetry('sd:v1:call:end', ({ call, status, grpcStatus, error }) =>
      notified.push(`${call.method} ${call.path} ${error?.code ?? `${status} ${grpcStatus}`}`),
    ),
    subscribeTelemetry('sd:v1:call:refused', ({ policy }) => notified.push(`refused ${policy}`)),
  ]
  return {
    notified,
    [Symbol.dispose]() {
      for (const end of ends) end()
    },
  }
}

/** Attempts in progress, over all endpoints. */
function active({ discovery }: Stage): number {
  return discovery.cluster('orders').view.endpoints.reduce((sum, endpoint) => sum + endpoint.active, 0)
}

describe.each(grpcModulesToTest())('grpc-js %s', (_minor, grpc: GrpcJs) => {
  describe.each(kinds)('a call: %s', (kind) => {
    test('gets its response, and is reported with its status', async () => {
      await using stage = createStage(grpc)
      await stage.serve('a')
      using events = listen()
      const client = stage.dialWithPolicies()
      expect(await callKind(grpc, client, kind).reply).toBe(answers[kind])
      await expect.poll(() => events.notified).toEqual(['attempt 200 0', `POST ${path[kind]} 200 0`])
      expect(active(stage)).toBe(0)
    })

    test('that fails has the code, details and trailers of the peer, and is judged by them', async () => {
      await using stage = createStage(grpc)
      await stage.serve('a', { behave: () => ({ code: 13, details: 'größer, 100%', metadata: { 'x-why': 'because' } }) })
      using events = listen()
      const failure = await callKind(grpc, stage.dialWithPolicies(), kind).reply.catch((error) => error)
      expect([failure.code, failure.details, failure.metadata.get('x-why')]).toEqual([13, 'größer, 100%', ['because']])
      await expect.poll(() => events.notified).toEqual(['attempt 500 13', `POST ${path[kind]} 500 13`])
      expect(stage.discovery.cluster('orders').view.endpoints[0]?.failures).toBe(1)
    })

    test('is rejected by a rate limit, a full bulkhead and an open breaker, before it reaches a server', async () => {
      await using stage = createStage(grpc, {
        client: { concurrencyLimit: ({ name }) => createBulkhead({ name, maxConcurrent: 1, maxQueued: 0 }) },
      })
      const { server } = await stage.serve('a', { behave: () => 'hang' })
      const client = stage.dialWithPolicies()
      using events = listen()
      const first = callKind(grpc, client, kind)
      await expect.poll(() => server.calls).toBe(1)
      await expect(callKind(grpc, client, kind).reply).rejects.toMatchObject({ code: 14 })
      first.cancel()
      await expect(first.reply).rejects.toMatchObject({ code: 1 })
      const limiter = createMemoryRateLimiter({ name: 'l', limit: 1, windowMs: 60_000 })
      stage.client.configure({ rateLimit: { limiter }, breaker: () => createOpossumBreaker({ name: 'b' }) })
      await limiter.acquire('orders')
      await expect(callKind(grpc, client, kind).reply).rejects.toMatchObject({ code: 14 })
      stage.client.configure({ breaker: () => createOpossumBreaker({ name: 'b' }) })
      stage.client.breaker('orders')?.isolate()
      await expect(callKind(grpc, client, kind).reply).rejects.toMatchObject({ code: 14 })
      expect(events.notified.filter((text) => text.startsWith('refused'))).toEqual([
        'refused concurrency-limit',
        'refused rate-limit',
        'refused breaker',
      ])
      expect([server.calls, active(stage)]).toEqual([1, 0])
    })

    test('opens the breaker of its service after repeated failures', async () => {
      await using stage = createStage(grpc, {
        client: { breaker: ({ name }) => createOpossumBreaker({ name, minimumCalls: 5 }) },
      })
      await stage.serve('a', { behave: () => ({ code: 13 }) })
      const client = stage.dialWithPolicies()
      for (let calls = 0; calls < 5; calls++) await callKind(grpc, client, kind).reply.catch(() => undefined)
      await expect.poll(() => stage.client.breaker('orders')?.state).toBe('open')
    })

    test('goes to another instance if it was not sent, whatever its kind', async () => {
      await using stage = createStage(grpc, { discovery: { failureAccrual: false } })
      const gone = await stage.serve('gone')
      gone.server.kill()
      await stage.serve('a')
      const client = stage.dialWithPolicies()
      for (let calls = 0; calls < 6; calls++) expect(await callKind(grpc, client, kind).reply).toBe(answers[kind])
    })

    test('that was sent is repeated only if it has one message and is repeatable', async () => {
      const settings = { retry, idempotent: true }
      await using stage = createStage(grpc, { client: { services: { orders: settings } }, discovery: { failureAccrual: false } })
      const bad = await stage.serve('bad', { behave: () => ({ code: 14 }) })
      await stage.serve('a')
      const client = stage.dialWithPolicies()
      const repeats = kind === 'unary' || kind === 'server stream'
      const codes: unknown[] = []
      for (let calls = 0; calls < 4; calls++) codes.push(await callKind(grpc, client, kind).reply.catch(({ code }) => code))
      expect(bad.server.calls).toBeGreaterThan(1)
      expect(codes.filter((code) => code === 14)).toHaveLength(repeats ? 0 : 2)
      stage.client.configureService('orders', { retry })
      const others: unknown[] = []
      for (let calls = 0; calls < 4; calls++) others.push(await callKind(grpc, client, kind).reply.catch(({ code }) => code))
      expect(others.filter((code) => code === 14)).toHaveLength(2)
    })

    test('takes its retries from the budget of its service', async () => {
      const retryBudget = { ratio: 0, minPerSecond: 0 }
      await using stage = createStage(grpc, { client: { retry, retryBudget, idempotent: true } })
      const { server } = await stage.serve('a', { behave: () => ({ code: 14 }) })
      await stage.serve('b', { behave: () => ({ code: 14 }) })
      await expect(callKind(grpc, stage.dialWithPolicies(), kind).reply).rejects.toMatchObject({ code: 14 })
      expect(server.calls).toBeLessThanOrEqual(1)
    })

    test.each(['hang', 'hang after the head'] as const)('ends at its deadline if servers %s', async (behaviour) => {
      await using stage = createStage(grpc)
      const seen: { cancelled: boolean; deadline: number }[] = []
      await stage.serve('a', {
        behave(call: IncomingCall) {
          const one = { cancelled: false, deadline: Number(call.getDeadline()) }
          seen.push(one)
          call.on('cancelled', () => {
            one.cancelled = true
          })
          return behaviour
        },
      })
      using events = listen()
      const deadline = Date.now() + 700
      const { reply } = callKind(grpc, stage.dialWithPolicies(), kind, { deadline })
      await expect(reply).rejects.toMatchObject({ code: 4 })
      expect(Math.abs((seen[0]?.deadline ?? 0) - deadline)).toBeLessThan(2_000)
      await expect.poll(() => seen.map(({ cancelled }) => cancelled)).toEqual([true])
      await expect
        .poll(() => events.notified)
        .toEqual(['attempt SD_DEADLINE_EXCEEDED', `POST ${path[kind]} SD_DEADLINE_EXCEEDED`])
    })

    test('has the time limit of the service if it has one response, and none if it is a stream', async () => {
      await using stage = createStage(grpc, { client: { timeoutMs: 200, services: {} } })
      await stage.serve('a', { behave: () => 'hang' })
      const { reply, cancel } = callKind(grpc, stage.dialWithPolicies(), kind)
      const ended = reply.catch(({ code }) => code)
      if (kind === 'unary' || kind === 'client stream') {
        expect(await ended).toBe(4)
        return
      }
      const later = new Promise((resolve) => setTimeout(resolve, 500, 'still there'))
      expect(await Promise.race([ended, later])).toBe('still there')
      cancel()
      expect(await ended).toBe(1)
    })

    test('appears to interceptors as header fields, in both directions', async () => {
      const seen: unknown[] = []
      await using stage = createStage(grpc, {
        client: {
          interceptors: {
            call: [
              async (context, next) => {
                seen.push(context.headers['x-user'])
                const response = await next()
                seen.push(response.status, response.headers['grpc-status'] ?? response.headers['content-type'])
                return response
              },
            ],
            attempt: [
              (context, next) => {
                context.headers['x-attempt'] = String(context.attempt)
                return next()
              },
            ],
          },
        },
      })
      const received: unknown[] = []
      await stage.serve('a', {
        behave(call) {
          received.push(...call.metadata.get('x-attempt'), ...call.metadata.get('x-user'))
          return received.length > 2 ? { code: 5 } : undefined
        },
      })
      const client = stage.dialWithPolicies()
      await callKind(grpc, client, kind, { metadata: { 'x-user': 'ada' } }).reply
      await callKind(grpc, client, kind, { metadata: { 'x-user': 'bob' } }).reply.catch(() => undefined)
      expect(received).toEqual(['1', 'ada', '1', 'bob'])
      expect(seen).toEqual(['ada', 200, 'application/grpc+proto', 'bob', 404, '5'])
    })

    test('has the settings of its operation', async () => {
      const operations = {
        [`POST ${path[kind]}`]: { rateLimit: { limiter: createMemoryRateLimiter({ limit: 1, windowMs: 60_000 }) } },
      }
      await using stage = createStage(grpc, { client: { services: { orders: { operations } } } })
      await stage.serve('a')
      const client = stage.dialWithPolicies()
      const results: unknown[] = []
      for (const one of [kind, kind, ...kinds.filter((other) => other !== kind)])
        results.push(await callKind(grpc, client, one).reply.catch(({ code }) => code))
      expect(results.map((result) => typeof result)).toEqual(['string', 'number', 'string', 'string', 'string'])
    })
  })

  test('a slow unary call is hedged', async () => {
    // Calls of gRPC are POST. Without a limit of attempts only a hedge can end the wait.
    const hedge: ServiceSettings['hedge'] = ({ budget }) => createHedgePolicy({ budget, delayMs: 20, methods: ['POST'] })
    await using stage = createStage(grpc, { client: { hedge, idempotent: true, attemptTimeoutMs: 0, timeoutMs: 0 } })
    await stage.serve('slow', { behave: () => 'hang' })
    await stage.serve('a')
    const client = stage.dialWithPolicies()
    for (let calls = 0; calls < 4; calls++) expect(await callKind(grpc, client, 'unary').reply).toBe('a')
    expect(active(stage)).toBe(0)
  })

  test('a slow attempt leaves time for another one', async () => {
    await using stage = createStage(grpc, { client: { attemptTimeoutMs: 1_000, idempotent: true } })
    await stage.serve('slow', { behave: () => 'hang' })
    await stage.serve('a')
    const client = stage.dialWithPolicies()
    for (let calls = 0; calls < 4; calls++) expect(await callKind(grpc, client, 'unary').reply).toBe('a')
  })

  test.each([8, 14])('an instance that requests a delay with status %i gets no calls for that time', async (code) => {
    await using stage = createStage(grpc)
    const busy = await stage.serve('busy', {
      behave: () => ({ code, metadata: { 'grpc-retry-pushback-ms': '60000' } }),
    })
    await stage.serve('a')
    const client = stage.dialWithPolicies()
    for (let calls = 0; calls < 8; calls++) await callKind(grpc, client, 'unary').reply.catch(() => undefined)
    // One 429 may be about the caller; the second in a row is about the instance.
    expect(busy.server.calls).toBe(code === 8 ? 2 : 1)
    const { cluster } = stage.client.explain('orders')
    expect(cluster.endpoints.find(({ endpoint }) => endpoint.instance.id === 'busy')?.dropped).toBe('retry-after')
  })
})
