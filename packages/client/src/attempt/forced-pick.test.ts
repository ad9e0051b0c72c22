import { type CircuitBreaker, type RetryBudget, SdError } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createRetryPolicy } from '@sd/retry'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ClientSettings, InstanceScope } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

/** On instance b a half-open breaker whose trials are all in progress, on the others a closed one. */
function refuseB({ name, instance }: InstanceScope): CircuitBreaker {
  const isB = instance.id === 'b'
  return {
    name,
    state: isB ? 'half-open' : 'closed',
    tryAcquire: () => (isB ? undefined : { settle() {} }),
    execute: () => Promise.reject(new SdError('SD_UNSUPPORTED', 'not used')),
    open() {},
    close() {},
    isolate() {},
    onStateChange: () => () => undefined,
  }
}

/** Serves a, which fails as given, and b, which is healthy. @returns the number of requests to b */
async function serveBoth(a: 'breaks' | 'is silent'): Promise<() => number> {
  let requests = 0
  await world.serve(
    (request) => {
      if (a === 'breaks') request.socket.destroy()
    },
    { id: 'a' },
  )
  await world.serve(
    (_, response) => {
      requests++
      response.end('b')
    },
    { id: 'b' },
  )
  return () => requests
}

async function textOf(settings: ClientSettings): Promise<string> {
  const client = world.client({ instanceBreaker: refuseB, ...settings })
  try {
    return await (await client.get('orders', '/')).text()
  } catch (error) {
    return (error as { code: string }).code
  }
}

test.each<[string, ClientSettings]>([
  ['the default policy', {}],
  ['a retry policy', { retry: ({ budget }) => createRetryPolicy({ budget }) }],
])('a retry by %s goes to an instance whose breaker rejects it, if there is no other instance', async (_, settings) => {
  const requests = await serveBoth('breaks')
  for (let call = 0; call < 4; call++) expect(await textOf(settings)).toBe('b')
  expect(requests()).toBe(4)
})

test('a second next() also finds an instance', async () => {
  let requests = 0
  await world.serve((_, response) => void response.writeHead(requests++ === 0 ? 401 : 200).end(), { id: 'b' })
  const client = world.client({
    instanceBreaker: refuseB,
    interceptors: {
      call: [
        async (_call, next) => {
          const first = await next()
          return first.status === 401 ? next() : first
        },
      ],
    },
  })
  expect((await client.get('orders', '/')).status).toBe(200)
  expect(requests).toBe(2)
})

test('a hedge is not sent to an instance whose breaker rejects it', async () => {
  const requests = await serveBoth('is silent')
  const hedge = ({ budget }: { budget: RetryBudget }) => createHedgePolicy({ budget, delayMs: 10 })
  expect(await textOf({ hedge, retry: false, timeoutMs: 300 })).toBe('SD_DEADLINE_EXCEEDED')
  expect(requests()).toBe(0)
})
