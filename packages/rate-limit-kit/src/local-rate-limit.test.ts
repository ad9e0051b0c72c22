import type { RateLimitDecision } from '@sd/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLocalRateLimit } from './local-rate-limit.ts'
import { takeFromBucket, takeFromWindow, WINDOW_SEGMENTS } from './rate-limit-algorithms.ts'
import { checkRateLimit, type RateLimitOptions } from './rate-limit-options.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type Take = (cost: number) => RateLimitDecision

function start(options: RateLimitOptions): Take {
  const limit = createLocalRateLimit(checkRateLimit(options), 10)
  return (cost) => limit.take('a', cost)
}

/** A token bucket in whole numbers: a unit is `windowMs` parts, and `limit` parts return per millisecond. */
function startReferenceBucket({ limit, windowMs, burst = limit }: RateLimitOptions): Take {
  const full = burst * windowMs
  let parts = full
  let at = performance.now()
  return (cost) => {
    const now = performance.now()
    parts = Math.min(full, parts + (now - at) * limit)
    at = now
    const allowed = parts >= cost * windowMs
    if (allowed) parts -= cost * windowMs
    return {
      allowed,
      limit: burst,
      remaining: Math.floor(parts / windowMs),
      windowMs: full / limit,
      resetMs: Math.ceil((full - parts) / limit),
      retryAfterMs: allowed ? 0 : Math.ceil((cost * windowMs - parts) / limit),
    }
  }
}

/** Remembers all calls, and judges each by all of them. */
function startReferenceWindow({ limit, windowMs }: RateLimitOptions): Take {
  const segmentMs = windowMs / WINDOW_SEGMENTS
  const taken: { readonly cost: number; readonly freeAt: number }[] = []
  return (cost) => {
    const now = performance.now()
    const used = (at: number): number => taken.reduce((sum, one) => sum + (one.freeAt > at ? one.cost : 0), 0)
    const allowed = used(now) + cost <= limit
    const ends = taken.map(({ freeAt }) => freeAt).filter((freeAt) => freeAt > now)
    const retryAt = ends.sort((a, b) => a - b).find((freeAt) => used(freeAt) + cost <= limit) ?? now
    if (allowed && cost > 0) taken.push({ cost, freeAt: (Math.floor(now / segmentMs) + WINDOW_SEGMENTS + 1) * segmentMs })
    const last = Math.max(now, ...taken.map(({ freeAt }) => freeAt))
    return {
      allowed,
      limit,
      remaining: limit - used(now),
      windowMs,
      resetMs: last - now,
      retryAfterMs: allowed ? 0 : retryAt - now,
    }
  }
}

// Windows are multiples of 20 ms, and time advances in whole milliseconds, so the references have no fractions.
const anyRule = fc.record({ limit: fc.integer({ min: 1, max: 12 }), windowMs: fc.constantFrom(20, 100, 1_000, 60_000) })
const anySteps = fc.array(fc.record({ afterMs: fc.constantFrom(0, 0, 1, 7, 50, 333, 5_000, 70_000), cost: fc.nat(12) }), {
  maxLength: 80,
})

describe('any history', () => {
  test('matches a token bucket in whole numbers', () => {
    fc.assert(
      fc.property(anyRule, fc.integer({ min: 1, max: 12 }), anySteps, (rule, burst, steps) => {
        const [take, expected] = [start({ ...rule, burst }), startReferenceBucket({ ...rule, burst })]
        for (const { afterMs, cost } of steps) {
          vi.advanceTimersByTime(afterMs)
          const [decision, reference] = [take(Math.min(cost, burst)), expected(Math.min(cost, burst))]
          expect(decision.allowed).toBe(reference.allowed)
          expect(decision.remaining).toBe(reference.remaining)
          expect(decision.windowMs).toBeCloseTo(reference.windowMs, 6)
          expect(Math.abs(decision.resetMs - reference.resetMs)).toBeLessThanOrEqual(1)
          expect(Math.abs(decision.retryAfterMs - reference.retryAfterMs)).toBeLessThanOrEqual(1)
        }
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('matches a list of all units taken', () => {
    fc.assert(
      fc.property(anyRule, anySteps, (rule, steps) => {
        const options: RateLimitOptions = { ...rule, algorithm: 'sliding-window' }
        const [take, expected] = [start(options), startReferenceWindow(options)]
        for (const { afterMs, cost } of steps) {
          vi.advanceTimersByTime(afterMs)
          expect(take(Math.min(cost, rule.limit))).toEqual(expected(Math.min(cost, rule.limit)))
        }
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('has at most the limit in any window, and a refused call is allowed after retryAfterMs', () => {
    fc.assert(
      fc.property(anyRule, anySteps, (rule, steps) => {
        const take = start({ ...rule, algorithm: 'sliding-window' })
        const granted: { readonly at: number; readonly cost: number }[] = []
        for (const { afterMs, cost: wanted } of steps) {
          vi.advanceTimersByTime(afterMs)
          const cost = Math.min(wanted, rule.limit)
          let decision = take(cost)
          if (!decision.allowed) {
            vi.advanceTimersByTime(decision.retryAfterMs)
            decision = take(cost)
          }
          expect(decision.allowed).toBe(true)
          const now = performance.now()
          granted.push({ at: now, cost })
          const inWindow = granted.filter(({ at }) => at > now - rule.windowMs)
          expect(inWindow.reduce((sum, one) => sum + one.cost, 0)).toBeLessThanOrEqual(rule.limit)
        }
      }),
      { seed: 3, numRuns: 200 },
    )
  })
})

describe('memory', () => {
  const rule = checkRateLimit({ limit: 2, windowMs: 1_000 })

  test('is bounded: the least recently used key is dropped', () => {
    const limit = createLocalRateLimit(rule, 3)
    for (const key of ['a', 'b', 'c']) limit.take(key, 2)
    limit.take('a', 1)
    limit.take('d', 2)
    expect(limit.size).toBe(3)
    expect(limit.take('a', 1).allowed).toBe(false)
    expect(limit.take('b', 1).allowed).toBe(true)
  })

  test('is not freed for a key that is known', () => {
    const limit = createLocalRateLimit(rule, 3)
    for (const key of ['a', 'b', 'c', 'c']) limit.take(key, 1)
    expect(limit.size).toBe(3)
    expect(['a', 'b', 'c'].map((key) => limit.take(key, 1).remaining)).toEqual([0, 0, 0])
  })

  test('of a window is one entry per segment, however many calls it has', () => {
    const window = checkRateLimit({ limit: 1_000, windowMs: 1_000, algorithm: 'sliding-window' })
    let state: readonly number[] | undefined
    for (let call = 0; call < 500; call++) ({ state } = takeFromWindow(window, state, 1, 5_000 + (call % 2)))
    expect(state).toEqual([100, 500])
  })

  test('is freed as calls come, and cost 0 adds no key', () => {
    const limit = createLocalRateLimit(rule, 1_000)
    for (let key = 0; key < 100; key++) limit.take(`key ${key}`, 1)
    expect(limit.size).toBe(100)
    vi.advanceTimersByTime(499)
    limit.take('other', 0)
    expect(limit.size).toBe(100)
    // A unit returns after 500 ms. Each call looks at two keys, so that none takes long.
    vi.advanceTimersByTime(1)
    limit.take('other', 0)
    expect(limit.size).toBe(98)
    for (let call = 0; call < 60; call++) limit.take('other', 0)
    expect(limit.size).toBe(0)
  })
})

test('a clock that is set back blocks a key for at most as long as a full limit', () => {
  const bucket = checkRateLimit({ limit: 10, windowMs: 1_000 })
  const full = takeFromBucket(bucket, undefined, 10, 1_000_000).state
  const back = takeFromBucket(bucket, full, 1, 5_000)
  expect(back.decision).toMatchObject({ allowed: false, resetMs: 1_000, retryAfterMs: 100 })
  expect(takeFromBucket(bucket, back.state, 1, 5_100).decision.allowed).toBe(true)

  const window = checkRateLimit({ limit: 10, windowMs: 1_000, algorithm: 'sliding-window' })
  const used = takeFromWindow(window, undefined, 10, 1_000_000).state
  expect(takeFromWindow(window, used, 1, 100).decision).toMatchObject({ allowed: false, resetMs: 1_050, retryAfterMs: 1_050 })
})
