import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { readDeadline, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createRetryPolicy } from '@sd/retry'
import { eventually } from '@sd/testing'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ServiceClient } from './index.ts'
import { createWorld, type World } from './testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

describe('a hedge', () => {
  const hedges: TelemetryEvents['sd:v1:call:hedge'][] = []
  const winners: string[] = []
  const ends: (() => void)[] = []
  beforeEach(() => {
    hedges.length = 0
    winners.length = 0
    ends.push(
      subscribeTelemetry('sd:v1:call:hedge', (event) => hedges.push(event)),
      subscribeTelemetry('sd:v1:call:hedged', ({ winner }) => winners.push(winner)),
    )
  })
  afterEach(() => {
    for (const end of ends.splice(0)) end()
  })

  test('goes to another instance while the first is slow; the first response wins, and the other attempt is aborted', async () => {
    const aborted = Promise.withResolvers<void>()
    await world.serve((_, response) => void response.on('close', aborted.resolve), { id: 'a' })
    await world.serve((_, response) => response.end('fast'), { id: 'b' })
    const client = world.client({ hedge: ({ budget }) => createHedgePolicy({ budget, delayMs: 30 }) })
    const response = await client.get('orders', '/')
    expect([await response.text(), response.attempts]).toEqual(['fast', 2])
    await aborted.promise
    expect(hedges).toMatchObject([{ attempt: 2, call: { service: 'orders' } }])
    expect(winners).toEqual(['hedge'])
    await eventually(() => expect(world.active()).toBe(0), 1_000)
    const [slow] = world.discovery.cluster('orders').view.endpoints
    expect(slow?.latencyMs).toBeGreaterThanOrEqual(29)
  })

  test('is not sent for a request that must not be sent twice', async () => {
    let requests = 0
    const listener: RequestListener = (_, response) => {
      requests++
      setTimeout(() => response.end(), 60)
    }
    await world.serve(listener)
    await world.serve(listener)
    const client = world.client({ hedge: () => createHedgePolicy({ delayMs: 5, methods: ['GET', 'PUT'] }) })
    await client.post('orders', '/', { body: 'x' })
    await client.put('orders', '/', { body: new Blob(['x']).stream() })
    expect([requests, hedges, winners]).toEqual([2, [], []])
    await client.put('orders', '/', { body: 'x' })
    expect(requests).toBe(4)
  })

  test('starts at once after a failure response, and returns it if there is no other instance', async () => {
    await world.serve((_, response) => response.writeHead(503).end('first'))
    const client = world.client({ hedge: () => createHedgePolicy({ delayMs: 1_000, maxAttempts: 3 }) })
    const alone = await client.get('orders', '/')
    expect([alone.status, await alone.text()]).toEqual([503, 'first'])
    await world.serve((_, response) => response.end('second'))
    await eventually(() => expect(world.discovery.cluster('orders').view.endpoints.length).toBe(2), 1_000)
    for (let call = 0; call < 4; call++) expect(await (await client.get('orders', '/')).text()).toBe('second')
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('ends with the deadline, the caller and the lack of instances', async () => {
    await world.serve(() => undefined)
    await world.serve(() => undefined)
    const client = world.client({ hedge: () => createHedgePolicy({ delayMs: 5 }) })
    await expect(client.get('orders', '/', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    await eventually(() => expect(winners).toEqual(['none']), 1_000)
    const signal = AbortSignal.timeout(30)
    await expect(client.get('orders', '/', { signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    await expect(client.get('nobody', '/')).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('that is slower than the first attempt loses', async () => {
    let requests = 0
    const listener: RequestListener = (_, response) => {
      // The first attempt ends once the hedge has arrived, which never ends.
      if (++requests === 1) waiting.promise.then(() => response.end('first'))
      else waiting.resolve()
    }
    const waiting = Promise.withResolvers<void>()
    await world.serve(listener)
    await world.serve(listener)
    const client = world.client({ hedge: () => createHedgePolicy({ delayMs: 5 }) })
    expect(await (await client.get('orders', '/')).text()).toBe('first')
    expect([hedges.length, winners]).toEqual([1, ['first']])
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('an attempt that interceptors hold back until another one has won is not sent', async () => {
    let requests = 0
    const listener: RequestListener = (_, response) => {
      requests++
      response.end()
    }
    await world.serve(listener)
    await world.serve(listener)
    const released = Promise.withResolvers<void>()
    const client = world.client({
      hedge: () => createHedgePolicy({ delayMs: 5 }),
      interceptors: { attempt: [async ({ attempt }, next) => (attempt === 1 ? released.promise.then(next) : next())] },
    })
    expect((await client.get('orders', '/')).attempts).toBe(2)
    released.resolve()
    await delay(20)
    expect([requests, world.active()]).toEqual([1, 0])
  })
})

describe('an attempt that takes too long', () => {
  test('is given up for another instance, until the head of its response arrives', async () => {
    const given = Promise.withResolvers<void>()
    await world.serve((_, response) => void response.on('close', given.resolve), { id: 'a' })
    await world.serve(
      (_, response) => {
        response.writeHead(200).write('head')
        setTimeout(() => response.end(' and body'), 150)
      },
      { id: 'b' },
    )
    world.discovery.configure({ coalesceMs: 0, failureAccrual: false })
    const client = world.client({ attemptTimeoutMs: 60 })
    const response = await client.get('orders', '/')
    expect([await response.text(), response.attempts]).toEqual(['head and body', 2])
    await given.promise
    client.configure({ attemptTimeoutMs: 60, retry: false, balancer: createRoundRobinBalancer({ random: () => 0 }) })
    await expect(client.post('orders', '/', { body: 'x' })).rejects.toMatchObject({ code: 'SD_TIMEOUT', retryable: true })
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })
})

describe('the retry budget', () => {
  test('limits 1,000 failing calls per second to 1.2 × as many attempts, and 10 per second', async () => {
    let attempts = 0
    await world.serve((_, response) => {
      attempts++
      response.writeHead(503).end()
    })
    const client = world.client({
      retry: ({ budget }) => createRetryPolicy({ budget, backoff: { kind: 'fixed', delayMs: 1 } }),
      hedge: ({ budget }) => createHedgePolicy({ budget, delayMs: 20 }),
    })
    const retries: unknown[] = []
    const unsubscribe = subscribeTelemetry('sd:v1:call:retry', (event) => retries.push(event))
    const startedAt = performance.now()
    const calls = Array.from({ length: 2_000 }, async (_, index) => {
      await delay(index)
      const response = await client.get('orders', '/')
      await response.bytes()
    })
    await Promise.all(calls)
    unsubscribe()
    const seconds = Math.ceil((performance.now() - startedAt) / 1_000)
    expect(attempts).toBeLessThanOrEqual(1.2 * 2_000 + 10 * seconds)
    expect(attempts).toBeGreaterThan(1.15 * 2_000)
    expect(retries.length).toBeGreaterThan(0)
  })
})

describe('a deadline over A → B → C', () => {
  interface Chain {
    readonly client: ServiceClient
    /** Times at which requests arrived at C, and were cancelled there. */
    readonly startedAtC: number[]
    readonly abortedAtC: Promise<number>
  }
  /** B calls C for each request, with B's deadline and while A waits. C never responds. */
  async function createChain(): Promise<Chain> {
    const startedAtC: number[] = []
    const abortedAtC = Promise.withResolvers<number>()
    const clientOfB = world.client({
      retry: () =>
        createRetryPolicy({ maxAttempts: 5, errorCodes: ['SD_UNAVAILABLE'], backoff: { kind: 'fixed', delayMs: 40, jitter: 0 } }),
    })
    await world.serve(
      (_, response) => {
        startedAtC.push(performance.now())
        if (startedAtC.length < 3) response.socket?.destroy()
        else response.on('close', () => abortedAtC.resolve(performance.now()))
      },
      { service: 'c' },
    )
    const ask = async (incoming: IncomingMessage, signal: AbortSignal): Promise<void> => {
      await clientOfB.get('c', '/', { deadlineAt: readDeadline(incoming.headers), signal })
    }
    await world.serve(
      (incoming, response) => {
        const caller = new AbortController()
        response.on('close', () => caller.abort())
        ask(incoming, caller.signal).catch(() => response.writeHead(504).end())
      },
      { service: 'b' },
    )
    return { client: world.client(), startedAtC, abortedAtC: abortedAtC.promise }
  }

  test('of 1,500 ms: no attempt starts after it has passed', async () => {
    const { client, startedAtC, abortedAtC } = await createChain()
    const startedAt = performance.now()
    await client
      .get('b', '/', { timeoutMs: 1_500 })
      .catch((error: unknown) => expect(error).toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' }))
    await abortedAtC
    await delay(300)
    expect(startedAtC.length).toBe(3)
    for (const at of startedAtC) expect(at - startedAt).toBeLessThan(1_500)
  })

  test('an abort in A aborts the signal in C soon', async () => {
    const { client, startedAtC, abortedAtC } = await createChain()
    const caller = new AbortController()
    const call = client.get('b', '/', { timeoutMs: 10_000, signal: caller.signal })
    call.catch(() => undefined)
    await eventually(() => expect(startedAtC.length).toBe(3), 5_000)
    const abortedAt = performance.now()
    caller.abort()
    // Long before the request would end there by itself.
    expect((await abortedAtC) - abortedAt).toBeLessThan(5_000)
    await expect(call).rejects.toMatchObject({ code: 'SD_ABORTED' })
  })
})

describe('the dispatcher', () => {
  test('has all policies: it retries after a delay, sends text again, and respects breakers', async () => {
    const bodies: string[] = []
    await world.serve(async (incoming, response) => {
      let body = ''
      for await (const chunk of incoming) body += chunk
      bodies.push(`${incoming.method} ${body} ${incoming.headers['x-tenant']} ${incoming.headers['content-type']}`)
      response.writeHead(bodies.length < 3 ? 503 : 200, { 'x-list': ['a', 'b'] }).end('done')
    })
    const { dispatcher } = world.client({
      retry: ({ budget }) => createRetryPolicy({ budget, methods: 'all', backoff: { kind: 'fixed', delayMs: 5 } }),
      breaker: ({ name }) => createOpossumBreaker({ name, window: { kind: 'count', size: 1 } }),
    })
    const options = { dispatcher, method: 'POST' as const, body: 'text', headers: ['X-Tenant', 'a', 'Content-Type', 'x/y'] }
    const { statusCode, headers, body } = await request('http://orders/', options)
    expect([statusCode, headers['x-list'], await body.text()]).toEqual([200, ['a', 'b'], 'done'])
    expect(bodies).toEqual(Array(3).fill('POST text a x/y'))
    bodies.length = 0
    const iterable = { dispatcher, method: 'POST' as const, body: ['a', 'b'] as never }
    expect((await request('http://orders/', { ...iterable, headers: new Map([['x-tenant', 'b']]) })).statusCode).toBe(503)
    await expect(request('http://orders/', { dispatcher })).rejects.toMatchObject({ code: 'SD_REJECTED' })
    expect(bodies).toEqual(['POST ab b undefined'])
  })

  test('can be paused and aborted', async () => {
    const closed = Promise.withResolvers<void>()
    const server = createServer((_, response) => {
      response.on('close', closed.resolve)
      response.write(Buffer.alloc(1_000_000))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await world.register((server.address() as { port: number }).port)
    const { dispatcher } = world.client()
    const { body } = await request('http://orders/', { dispatcher, highWaterMark: 1_000 })
    await delay(50)
    body.on('error', () => undefined)
    body.destroy()
    await closed.promise
    await eventually(() => expect(world.active()).toBe(0), 1_000)
    server.closeAllConnections()
    server.close()
  })
})
