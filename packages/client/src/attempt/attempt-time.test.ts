import type { RequestListener } from 'node:http'
import type { AttemptContext, Interceptor } from '@sd/core'
import { createRetryPolicy } from '@sd/retry'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AttemptLimitRequest, ClientSettings, RequestOptions } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

const slowMs = 1_400
const silent: RequestListener = () => undefined
const slow: RequestListener = (_, response) => void setTimeout(() => response.end('slow'), slowMs)
const quick: RequestListener = (_, response) => void response.end('quick')

describe('by default an attempt is given up after half of the time limit, but not before a second', () => {
  /** The first instance is slow. Each case changes one thing and expects the slow response, the quick one, or an error. */
  const table: Record<
    string,
    { settings?: ClientSettings; request?: RequestOptions; method?: 'POST'; alone?: true; gives: string }
  > = {
    'if there is another instance': { gives: 'quick' },
    'not if there is no other instance': { alone: true, gives: 'slow' },
    'not if the request must not be repeated': { method: 'POST', gives: 'slow' },
    'not if the body can be read only once': { request: { body: new Blob(['x']).stream() }, gives: 'slow' },
    'not without retries': { settings: { retry: false }, gives: 'slow' },
    'not if the setting is 0': { settings: { attemptTimeoutMs: 0 }, gives: 'slow' },
    'not if the call sets a longer time limit': { request: { timeoutMs: 2_500 }, gives: 'slow' },
    'not if the call has no time limit': { request: { timeoutMs: 0 }, gives: 'slow' },
    'not before a second, if half of the time limit is shorter': {
      request: { timeoutMs: 1_990 },
      settings: { timeoutMs: 5_000 },
      gives: 'quick',
    },
    'not if the budget is exhausted': { settings: { retryBudget: { ratio: 0, minPerSecond: 0 } }, gives: 'slow' },
    'not if the budget is exhausted and there is a retry policy': {
      settings: { retryBudget: { ratio: 0, minPerSecond: 0 }, retry: ({ budget }) => createRetryPolicy({ budget }) },
      gives: 'slow',
    },
    'in any case, if the service sets a limit': { method: 'POST', settings: { attemptTimeoutMs: 50 }, gives: 'SD_TIMEOUT' },
    'in any case, if the call sets a limit': { method: 'POST', request: { attemptTimeoutMs: 50 }, gives: 'SD_TIMEOUT' },
  }
  test.concurrent.each(Object.entries(table))('%s', async (_, { settings, request, method = 'PUT', alone, gives }) => {
    const own = createWorld()
    await own.serve(slow, { id: 'a' })
    if (!alone) await own.serve(quick, { id: 'b' })
    const client = own.client({ timeoutMs: 2_000, ...settings })
    const seen = client.request('orders', '/', { method, ...request }).then(
      (response) => response.text(),
      (error: { code: string }) => error.code,
    )
    expect(await seen).toBe(gives)
    await eventually(() => expect(own.active()).toBe(0), 1_000)
    await own.close()
  })
})

test.each<[string, ClientSettings]>([
  ['a number', { attemptTimeoutMs: 20 }],
  ['measured', { attemptTimeoutMs: () => ({ currentMs: () => 20, learn: () => undefined }) }],
])('an attempt that follows a limit that is %s is taken from the budget', async (_, settings) => {
  let attempts = 0
  for (const id of ['a', 'b', 'c']) await world.serve(silent, { id })
  const count: Interceptor<AttemptContext> = (_, next) => {
    attempts++
    return next()
  }
  const client = world.client({
    ...settings,
    retryBudget: { ratio: 0, minPerSecond: 1 },
    timeoutMs: 5_000,
    interceptors: { attempt: [count] },
  })
  const calls = Array.from({ length: 20 }, () => client.get('orders', '/'))
  for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
  // The budget begins with one attempt, and earns a few more if the machine is busy.
  expect(attempts).toBeGreaterThan(20)
  expect(attempts).toBeLessThan(40)
})

test.each<[string, ClientSettings]>([
  ['auto', {}],
  ['a number', { attemptTimeoutMs: 700 }],
  ['a function', { attemptTimeoutMs: () => ({ currentMs: () => 700, learn: () => undefined }) }],
])('a limit that is %s needs no timer in addition to that of the calls', async (_, settings) => {
  await world.serve(quick, { id: 'a' })
  const client = world.client(settings)
  // The first call does not know yet what limit its attempt will have.
  await (await client.get('orders', '/')).bytes()
  const timers = vi.spyOn(globalThis, 'setTimeout')
  for (let call = 0; call < 3; call++) await (await client.get('orders', '/')).bytes()
  // Concurrent calls share a timer.
  await Promise.all(Array.from({ length: 5 }, async () => (await client.get('orders', '/')).bytes()))
  const names = timers.mock.calls.map(([run]) => run.name)
  timers.mockRestore()
  expect(names.filter((name) => name === 'onDueTimer')).toHaveLength(4)
  expect(names).not.toContain('onLimit')
  expect(names).not.toContain('onTimer')
})

test('a function creates a limit that learns from responses with a status below 500', async () => {
  const learnt: number[] = []
  const requests: AttemptLimitRequest[] = []
  await world.serve((incoming, response) => void response.writeHead(Number(incoming.headers['x-status'])).end(), { id: 'a' })
  const client = world.client({
    attemptTimeoutMs: ({ service }) => ({
      currentMs(attempt) {
        requests.push(attempt)
        return service === 'orders' ? 500 : undefined
      },
      learn: (latencyMs) => learnt.push(latencyMs),
    }),
  })
  for (const status of ['200', '404', '503']) await (await client.get('orders', '/', { headers: { 'x-status': status } })).bytes()
  await (await client.post('orders', '/', { headers: { 'x-status': '500' } })).bytes()
  expect(learnt.length).toBe(2)
  for (const latencyMs of learnt) expect(latencyMs).toBeGreaterThan(0)
  expect(requests.map(({ mayRepeat }) => mayRepeat)).toEqual([true, true, true, false])
})

describe('events', () => {
  const stream: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hi\n\n')
  }

  test('go to another instance if no head arrives', async () => {
    await world.serve(silent, { id: 'a' })
    await world.serve(stream, { id: 'b' })
    const events = world.client({ timeoutMs: 100 }).events('orders', '/', { retryMs: 1 })[Symbol.asyncIterator]()
    expect(await events.next()).toMatchObject({ value: { data: 'hi' } })
    await events.return?.()
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('reconnect after a silence of idleTimeoutMs, also while they are not read', async () => {
    let connections = 0
    await world.serve((incoming, response) => {
      connections++
      stream(incoming, response)
    })
    const events = world.client().events('orders', '/', { retryMs: 1, idleTimeoutMs: 60 })[Symbol.asyncIterator]()
    for (let event = 0; event < 2; event++) expect(await events.next()).toMatchObject({ value: { data: 'hi' } })
    expect(connections).toBe(2)
    await events.return?.()
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('reject an invalid limit', async () => {
    const options = { idleTimeoutMs: -1 }
    const first = world.client().events('orders', '/', options)[Symbol.asyncIterator]().next()
    await expect(first).rejects.toMatchObject({ code: 'SD_INVALID', field: 'idleTimeoutMs' })
  })
})

describe('SD_NO_INSTANCE has the reason', () => {
  test('no instance is registered, or all are out', async () => {
    const client = world.client()
    await expect(client.get('nobody', '/')).rejects.toThrow(/^Unknown service nobody/)
    await world.serve(quick, { id: 'a', weight: 0 })
    await world.serve(quick, { id: 'b' })
    await eventually(() => expect(world.discovery.cluster('orders').view.endpoints.length).toBe(2), 1_000)
    const { endpoints } = world.discovery.cluster('orders').view
    endpoints.find(({ instance }) => instance.id === 'b')?.block('test', { reason: 'isolated' })
    await expect(client.get('orders', '/')).rejects.toMatchObject({
      code: 'SD_NO_INSTANCE',
      message: expect.stringMatching(/2 registered: .*1 isolated/),
    })
  })
})
