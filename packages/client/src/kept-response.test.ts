import { getEventListeners } from 'node:events'
import type { RequestListener } from 'node:http'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createHedgePolicy } from '@sd/hedge'
import { createRetryPolicy } from '@sd/retry'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClientSettings } from './index.ts'
import { closedPort, createWorld, type World } from './testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

const unhealthy: RequestListener = (_, response) => response.writeHead(503, { 'x-from': 'a' }).end('come later')
const retryAtOnce: ClientSettings['retry'] = ({ budget }) =>
  createRetryPolicy({ budget, maxAttempts: 3, backoff: { kind: 'fixed', delayMs: 0, jitter: 0 } })
const retryLater: ClientSettings['retry'] = ({ budget }) =>
  createRetryPolicy({ budget, maxAttempts: 3, backoff: { kind: 'fixed', delayMs: 5, jitter: 0 } })
const hedge: ClientSettings['hedge'] = ({ budget }) => createHedgePolicy({ budget, delayMs: 5, maxAttempts: 3 })

describe('the caller receives a response with a failure status', () => {
  /** The result of the next attempt. */
  const worse: Record<string, () => Promise<unknown>> = {
    'no other instance': async () => undefined,
    'a connection that is refused': async () => world.register(await closedPort(), { id: 'b' }),
    'a connection that is reset': () => world.serve((incoming) => incoming.socket.destroy(), { id: 'b' }),
    'a response that is not HTTP': () => world.serve((incoming) => incoming.socket.end('nonsense\r\n\r\n'), { id: 'b' }),
    'an attempt that takes too long': () => world.serve(() => undefined, { id: 'b' }),
  }
  const policies: Record<string, ClientSettings> = {
    'a retry at once': { retry: retryAtOnce },
    'a retry after a delay': { retry: retryLater },
    'a hedge': { hedge },
    'a hedge and a retry': { hedge, retry: retryLater },
  }
  const table = Object.entries(worse).flatMap(([what, serve]) =>
    Object.entries(policies).map(([policy, settings]) => [what, policy, serve, settings] as const),
  )
  test.each(table)('instead of %s, with %s', async (_, __, serve, settings) => {
    await world.serve(unhealthy, { id: 'a' })
    await serve()
    const client = world.client({ attemptTimeoutMs: 1_000, ...settings })
    const response = await client.get('orders', '/')
    expect([response.status, response.headers['x-from'], await response.text()]).toEqual([503, 'a', 'come later'])
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('also at the deadline, if it is complete', async () => {
    await world.serve(unhealthy, { id: 'a' })
    await world.serve(() => undefined, { id: 'b' })
    const client = world.client({ retry: retryAtOnce, timeoutMs: 400 })
    const response = await client.get('orders', '/')
    expect([response.status, await response.text(), response.endpoint.instance.id]).toEqual([503, 'come later', 'a'])
    expect(world.active()).toBe(0)
  })

  test('but not after an abort', async () => {
    await world.serve(unhealthy, { id: 'a' })
    await world.serve(() => undefined, { id: 'b' })
    const client = world.client({ retry: retryAtOnce })
    await expect(client.get('orders', '/', { signal: AbortSignal.timeout(200) })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    expect(world.active()).toBe(0)
  })
})

describe.each([
  ['at once', retryAtOnce],
  ['after a delay', retryLater],
] as const)('a retry %s', (_, retry) => {
  test('ends the response that it improves on, if its body is incomplete', async () => {
    const cut = Promise.withResolvers<void>()
    await world.serve(
      (_, response) => {
        response.on('close', cut.resolve)
        response.writeHead(503).write('a body that does not end')
      },
      { id: 'a' },
    )
    await world.serve((_, response) => response.end('ok'), { id: 'b' })
    const response = await world.client({ retry }).get('orders', '/')
    expect(await response.text()).toBe('ok')
    await cut.promise
    expect(world.active()).toBe(0)
  })
})

test('a retry that would begin after the deadline is not made, and the response is returned', async () => {
  await world.serve(unhealthy, { id: 'a' })
  const client = world.client({ timeoutMs: 10_000, retry: { name: 'late', next: () => 10_001 } })
  const startedAt = performance.now()
  const response = await client.get('orders', '/')
  expect([response.status, await response.text()]).toEqual([503, 'come later'])
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('a fallback does not hide failures from the breaker of the service', async () => {
  await world.register(await closedPort())
  const client = world.client({
    fallback: { kind: 'response', response: { status: 299 } },
    breaker: ({ name }) => createOpossumBreaker({ name, window: { kind: 'count', size: 3 }, minimumCalls: 3 }),
  })
  for (let call = 0; call < 3; call++) expect((await client.get('orders', '/')).status).toBe(299)
  expect(client.breaker('orders')?.state).toBe('open')
})

test("calls leave no listener on the caller's signal", async () => {
  await world.serve((incoming, response) => {
    if (incoming.url === '/silent') return
    response.writeHead(incoming.url === '/bad' ? 503 : 200).end('x'.repeat(100_000))
  })
  const caller = new AbortController()
  const { signal } = caller
  const client = world.client({ retry: retryLater, hedge })
  await (await client.get('orders', '/', { signal })).bytes()
  const cancelled = await client.get('orders', '/bad', { signal })
  expect(getEventListeners(signal, 'abort').length).toBe(1)
  cancelled.cancel()
  await client.get('orders', '/silent', { signal, timeoutMs: 20 }).catch(() => undefined)
  await client.get('nobody', '/', { signal }).catch(() => undefined)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
