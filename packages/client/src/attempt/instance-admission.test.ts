import type { ServerResponse } from 'node:http'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { type RateLimiter, type RetryBudget, SdError } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ServiceClient } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

async function statusOf(client: ServiceClient, method: string = 'POST'): Promise<number | string> {
  try {
    const response = await client.request('orders', '/', { method })
    await response.bytes()
    return response.status
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('a hanging instance does not use up the concurrency limit of its service', () => {
  test.each([
    ['a bulkhead', 2, ({ name }: { name: string }) => createBulkhead({ name, maxConcurrent: 20 })],
    ['a bulkhead', 5, ({ name }: { name: string }) => createBulkhead({ name, maxConcurrent: 20 })],
    ['a bulkhead', 10, ({ name }: { name: string }) => createBulkhead({ name, maxConcurrent: 20 })],
    [
      'an adaptive limit',
      5,
      ({ name }: { name: string }) => createAdaptiveLimit({ name, minLimit: 20, maxLimit: 25, maxEventLoopDelayMs: 0 }),
    ],
  ])('%s over %i instances', async (_, instances, concurrencyLimit) => {
    const hung: ServerResponse[] = []
    for (let instance = 0; instance < instances; instance++) {
      await world.serve((request, response) => {
        request.resume()
        if (instance === 0) hung.push(response)
        else response.end()
      })
    }
    const client = world.client({ concurrencyLimit, attemptTimeoutMs: 0 })
    const stuck: Promise<number | string>[] = []
    for (let call = 0; call < 200; call++) {
      const status = statusOf(client)
      const first = await Promise.race([status, new Promise((resolve) => setTimeout(resolve, 15, 'stuck'))])
      if (first === 'stuck') stuck.push(status)
      else expect(first).toBe(200)
    }
    // Half of the places may be taken before the share has an effect. The adaptive limit has at most 25.
    expect(hung.length).toBeLessThanOrEqual(13)
    for (const response of hung) response.end()
    expect(await Promise.all(stuck)).toEqual(stuck.map(() => 200))
  })

  test('if all are crowded, the limit decides and not the share', async () => {
    const held: ServerResponse[] = []
    for (let instance = 0; instance < 2; instance++) await world.serve((_, response) => void held.push(response))
    const client = world.client({ concurrencyLimit: ({ name }) => createBulkhead({ name, maxConcurrent: 20 }) })
    const calls = Array.from({ length: 21 }, () => statusOf(client, 'GET'))
    expect(await calls.at(-1)).toBe('SD_REJECTED')
    await vi.waitFor(() => expect(held).toHaveLength(20))
    for (const response of held) response.end()
    expect(await Promise.all(calls)).toEqual([...Array(20).fill(200), 'SD_REJECTED'])
  })
})

describe('a rate limit per instance', () => {
  /** A limiter that has to query a backend, as the one for Redis does. */
  function limitRemotely(local: RateLimiter, requests: string[]): RateLimiter {
    return {
      name: 'remote',
      async acquire(key, { signal, ...options } = {}) {
        expect(signal).toBeDefined()
        requests.push(key)
        await new Promise((resolve) => setTimeout(resolve, 2))
        return local.acquire(key, options)
      },
      close: () => local.close(),
      [Symbol.asyncDispose]: () => local.close(),
    }
  }

  test.each([
    ['', {}],
    [', hedged', { hedge: ({ budget }: { budget: RetryBudget }) => createHedgePolicy({ budget, delayMs: 1_000 }) }],
  ])('with a backend skips instances over their limit, and queries each of them once%s', async (_, more) => {
    for (const id of ['a', 'b']) await world.serve((_request, response) => void response.end(), { id })
    const requests: string[] = []
    const local = createMemoryRateLimiter({ limit: 3, windowMs: 60_000, algorithm: 'sliding-window' })
    const client = world.client({ rateLimit: { limiter: limitRemotely(local, requests), scope: 'instance' }, ...more })
    const statuses: (number | string)[] = []
    for (let call = 0; call < 10; call++) statuses.push(await statusOf(client, 'GET'))
    expect(statuses).toEqual([...Array(6).fill(200), ...Array(4).fill('SD_REJECTED')])
    expect(requests.toSorted()).toEqual([...Array(4).fill('orders/a'), ...Array(4).fill('orders/b')])
    expect(world.active()).toBe(0)
    await local.close()
  })

  test('with an unreachable backend ends a call with the error of the limiter, or at its deadline', async () => {
    await world.serve((_, response) => void response.end())
    const limiter = limitRemotely(createMemoryRateLimiter({ limit: 1, windowMs: 1_000 }), [])
    const rateLimit = { limiter, scope: 'instance' } as const
    vi.spyOn(limiter, 'acquire').mockRejectedValueOnce(new SdError('SD_UNAVAILABLE', 'The limiter is unreachable'))
    expect(await statusOf(world.client({ rateLimit, retry: false }))).toBe('SD_UNAVAILABLE')
    vi.spyOn(limiter, 'acquire').mockReturnValue(new Promise(() => undefined))
    expect(await statusOf(world.client({ rateLimit, timeoutMs: 50 }))).toBe('SD_DEADLINE_EXCEEDED')
    expect(world.active()).toBe(0)
  })

  test('skips an instance over its limit, and rejects a call if all are', async () => {
    const served = [0, 0]
    for (const index of [0, 1]) {
      await world.serve((_, response) => {
        served[index] = (served[index] ?? 0) + 1
        response.end()
      })
    }
    const limiter = createMemoryRateLimiter({ limit: 3, windowMs: 60_000, algorithm: 'sliding-window' })
    const client = world.client({ rateLimit: { limiter, scope: 'instance' } })
    const statuses: (number | string)[] = []
    for (let call = 0; call < 8; call++) statuses.push(await statusOf(client))
    expect(statuses).toEqual([...Array(6).fill(200), 'SD_REJECTED', 'SD_REJECTED'])
    expect(served).toEqual([3, 3])
    await limiter.close()
  })

  test('rejects settings that cannot work', () => {
    const local = createMemoryRateLimiter({ limit: 1, windowMs: 1_000 })
    for (const [field, rateLimit] of [
      ['rateLimit.wait', { limiter: local, scope: 'instance', wait: true }],
      ['rateLimit.scope', { limiter: local, scope: 'zone' }],
    ] as const) {
      expect(() => world.client({ rateLimit: rateLimit as never })).toThrow(
        expect.objectContaining({ code: 'SD_INVALID', field }),
      )
    }
  })
})
