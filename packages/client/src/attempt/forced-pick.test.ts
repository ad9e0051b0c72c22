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

/** A half-open breaker whose trials are all under way on instance b, and a closed one on the others. */
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

/** Serves a, which does what it is told, and b, which is well. @returns how often b was asked */
async function serveBoth(a: 'breaks' | 'is silent'): Promise<() => number> {
  let asked = 0
  await world.serve(
    (request) => {
      if (a === 'breaks') request.socket.destroy()
    },
    { id: 'a' },
  )
  await world.serve(
    (_, response) => {
      asked++
      response.end('b')
    },
    { id: 'b' },
  )
  return () => asked
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
])('a retry by %s goes to an instance whose breaker refuses, if there is no other one', async (_, settings) => {
  const asked = await serveBoth('breaks')
  for (let call = 0; call < 4; call++) expect(await textOf(settings)).toBe('b')
  expect(asked()).toBe(4)
})

test('a second next() finds an instance too', async () => {
  let asked = 0
  await world.serve((_, response) => void response.writeHead(asked++ === 0 ? 401 : 200).end(), { id: 'b' })
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
  expect(asked).toBe(2)
})

test('a hedge does without', async () => {
  const asked = await serveBoth('is silent')
  const hedge = ({ budget }: { budget: RetryBudget }) => createHedgePolicy({ budget, delayMs: 10 })
  expect(await textOf({ hedge, retry: false, timeoutMs: 300 })).toBe('SD_DEADLINE_EXCEEDED')
  expect(asked()).toBe(0)
})
