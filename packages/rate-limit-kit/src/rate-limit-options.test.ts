import { expect, test } from 'vitest'
import { checkRateLimit, type RateLimitOptions } from './rate-limit-options.ts'

test('defaults are applied', () => {
  expect(checkRateLimit({ limit: 5, windowMs: 1_000 })).toEqual({ algorithm: 'gcra', limit: 5, windowMs: 1_000, burst: 5 })
})

test('a burst may be as large as the units that return within the longest duration', () => {
  const slow = { limit: 10, windowMs: 1_000 }
  const burst = Math.floor((10 * 2_147_483_647) / 1_000)
  expect(checkRateLimit({ ...slow, burst }).burst).toBe(burst)
  expect(() => checkRateLimit({ ...slow, burst: burst + 1 })).toThrow('Invalid burst')
})

test('invalid options are rejected', () => {
  const good: RateLimitOptions = { limit: 1, windowMs: 1 }
  const cases: readonly (readonly [string, object])[] = [
    ['limit', { limit: 0 }],
    ['limit', { limit: 1.5 }],
    ['windowMs', { windowMs: 0 }],
    ['burst', { burst: 0 }],
    ['burst', { burst: 1_000_000_000, windowMs: 1_000 }],
    ['burst', { burst: 1, algorithm: 'sliding-window' }],
    ['algorithm', { algorithm: 'fixed' }],
  ]
  for (const [field, change] of cases) {
    expect(() => checkRateLimit({ ...good, ...change })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  }
})
