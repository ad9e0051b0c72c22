import { rateLimiterContract } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createMemoryRateLimiter } from './index.ts'

describe('rate limiter contract', () => {
  const contract = rateLimiterContract({
    setup: async () => ({ open: async (options) => createMemoryRateLimiter(options), dispose: async () => undefined }),
  })
  for (const { name, run } of contract) test(name, run)
})

test('the number of keys is bounded', async () => {
  await using limiter = createMemoryRateLimiter({ limit: 1, windowMs: 3_600_000, maxKeys: 2, name: 'logins' })
  expect(limiter.name).toBe('logins')
  for (const key of ['a', 'b', 'c']) expect((await limiter.acquire(key)).allowed).toBe(true)
  expect((await limiter.acquire('c')).allowed).toBe(false)
  expect((await limiter.acquire('a')).allowed).toBe(true)
})

test('rejects invalid options', () => {
  const good = { limit: 1, windowMs: 1 }
  const cases: readonly (readonly [string, object])[] = [
    ['maxKeys', { maxKeys: 0 }],
    ['maxWaiting', { maxWaiting: -1 }],
    ['maxWaitMs', { maxWaitMs: 0 }],
    ['name', { name: '' }],
    ['rate', { rate: 1 }],
  ]
  for (const [field, change] of cases) {
    expect(() => createMemoryRateLimiter({ ...good, ...change })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  }
})
