import { describe, expect, test } from 'vitest'
import { acquireOrReject, type RateLimitDecision, type RateLimiter, rateLimitHeaders, rateLimitKey } from './rate-limit.ts'

const allowed: RateLimitDecision = { allowed: true, limit: 10, remaining: 9, windowMs: 60_000, resetMs: 5_001, retryAfterMs: 0 }
const refused: RateLimitDecision = { ...allowed, allowed: false, remaining: 0, resetMs: 60_000, retryAfterMs: 1 }

describe('header fields', () => {
  test('report the limit in whole seconds, rounded up', () => {
    expect(rateLimitHeaders(allowed)).toEqual({ 'ratelimit-policy': '"default";q=10;w=60', ratelimit: '"default";r=9;t=6' })
  })

  test('of a refused call have a retry-after of at least a second', () => {
    expect(rateLimitHeaders(refused, 'per "user"')).toEqual({
      'ratelimit-policy': '"per \\"user\\"";q=10;w=60',
      ratelimit: '"per \\"user\\"";r=0;t=60',
      'retry-after': '1',
    })
  })

  test('are empty for a call that was allowed without a check', () => {
    expect(rateLimitHeaders({ ...allowed, degraded: 'open' })).toEqual({})
  })

  test('reject a name that is not ASCII', () => {
    for (const policy of ['', 'é', 'a\r\nset-cookie: b']) {
      expect(() => rateLimitHeaders(allowed, policy)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'policy' }))
    }
  })
})

test('acquireOrReject throws for a refused call, with the decision as its cause', async () => {
  const decisions = [allowed, refused]
  const limiter = { name: 'api', acquire: async () => decisions.shift() } as unknown as RateLimiter
  expect(await acquireOrReject(limiter, 'a')).toBe(allowed)
  await expect(acquireOrReject(limiter, 'a')).rejects.toMatchObject({ code: 'SD_REJECTED', retryable: true, cause: refused })
})

test('keys of different parts differ', () => {
  expect(rateLimitKey('orders', '10.0.0.1:80')).toBe(rateLimitKey('orders', '10.0.0.1:80'))
  expect(rateLimitKey('a/b', 'c')).not.toBe(rateLimitKey('a', 'b/c'))
  expect(() => rateLimitKey('a', '')).toThrow('Invalid parts[1]')
})
