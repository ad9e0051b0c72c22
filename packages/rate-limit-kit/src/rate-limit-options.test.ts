import { expect, test } from 'vitest'
import { checkRateLimit, type RateLimitOptions } from './rate-limit-options.ts'

test('gaps are filled', () => {
  expect(checkRateLimit({ limit: 5, windowMs: 1_000 })).toEqual({ algorithm: 'gcra', limit: 5, windowMs: 1_000, burst: 5 })
})

test('bad options are refused', () => {
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
