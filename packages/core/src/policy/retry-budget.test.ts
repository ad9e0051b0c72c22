import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createRetryBudget, type RetryBudget, type RetryBudgetOptions } from './retry-budget.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function withdrawAll(budget: RetryBudget): number {
  let count = 0
  while (budget.tryWithdraw()) count++
  return count
}

test('five calls earn one additional attempt', () => {
  const budget = createRetryBudget({ minPerSecond: 0 })
  for (let call = 0; call < 4; call++) budget.deposit()
  expect([budget.available, budget.tryWithdraw()]).toEqual([0, false])
  budget.deposit()
  expect([budget.available, budget.tryWithdraw(), budget.tryWithdraw()]).toEqual([1, true, false])
})

test('ten tenths are a whole attempt', () => {
  const budget = createRetryBudget({ ratio: 0.1, minPerSecond: 0 })
  for (let call = 0; call < 10; call++) budget.deposit()
  expect(withdrawAll(budget)).toBe(1)
})

test('some attempts are free in any second', () => {
  const budget = createRetryBudget({ minPerSecond: 3 })
  expect([budget.available, withdrawAll(budget), budget.available]).toEqual([3, 3, 0])
  vi.advanceTimersByTime(999)
  expect(budget.tryWithdraw()).toBe(false)
  vi.advanceTimersByTime(1)
  expect([budget.available, withdrawAll(budget)]).toEqual([3, 3])
})

test('earned attempts decay', () => {
  const budget = createRetryBudget({ minPerSecond: 0, windowMs: 1_000 })
  for (let call = 0; call < 500; call++) budget.deposit()
  vi.advanceTimersByTime(1_000)
  expect(budget.available).toBe(Math.floor(100 / Math.E))
  vi.advanceTimersByTime(60_000)
  expect(budget.available).toBe(0)
})

test('earned attempts decay until they are withdrawn, even without calls in between', () => {
  for (const waitMs of [1_000, 3_000, 60_000]) {
    const budget = createRetryBudget({ minPerSecond: 0, windowMs: 1_000 })
    for (let call = 0; call < 500; call++) budget.deposit()
    vi.advanceTimersByTime(waitMs)
    expect(withdrawAll(budget)).toBe(Math.floor(100 * Math.exp(-waitMs / 1_000)))
  }
})

test('invalid options are rejected', () => {
  const cases: readonly (readonly [string, RetryBudgetOptions])[] = [
    ['ratio', { ratio: -1 }],
    ['minPerSecond', { minPerSecond: 0.5 }],
    ['windowMs', { windowMs: 0 }],
    ['rate', { rate: 1 } as RetryBudgetOptions],
  ]
  for (const [field, options] of cases) {
    expect(() => createRetryBudget(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  }
})

/** The same budget without optimisation: the whole history is summed up for each query. */
function createReferenceBudget({ ratio, minPerSecond, windowMs }: Required<RetryBudgetOptions>): RetryBudget {
  const changes: { readonly at: number; readonly amount: number }[] = []
  const free: number[] = []
  const earned = (now: number): number =>
    changes.reduce((sum, { at, amount }) => sum + amount * Math.exp((at - now) / windowMs), 0)
  const recent = (now: number): number => free.filter((at) => at > now - 1_000).length
  return {
    deposit: () => void changes.push({ at: performance.now(), amount: ratio }),
    tryWithdraw() {
      const now = performance.now()
      const isEarned = earned(now) >= 1 - 1e-9
      if (isEarned) changes.push({ at: now, amount: -1 })
      else if (recent(now) < minPerSecond) free.push(now)
      else return false
      return true
    },
    get available() {
      const now = performance.now()
      return Math.floor(earned(now) + 1e-9) + minPerSecond - recent(now)
    },
  }
}

describe('any history', () => {
  const anyOptions = fc.record({
    ratio: fc.constantFrom(0, 0.05, 0.1, 0.2, 1, 2.5),
    minPerSecond: fc.nat(12),
    windowMs: fc.constantFrom(1, 500, 1_000, 10_000),
  })
  const anySteps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('deposit' as const), count: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ kind: fc.constant('withdraw' as const), count: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ kind: fc.constant('wait' as const), count: fc.constantFrom(1, 7, 100, 333, 999, 1_000, 5_000) }),
    ),
    { maxLength: 60 },
  )

  test('matches a plain sum', () => {
    fc.assert(
      fc.property(anyOptions, anySteps, (options, steps) => {
        const budget = createRetryBudget(options)
        const reference = createReferenceBudget(options)
        for (const { kind, count } of steps) {
          if (kind === 'wait') vi.advanceTimersByTime(count)
          else
            for (let time = 0; time < count; time++) {
              if (kind === 'withdraw') expect(budget.tryWithdraw()).toBe(reference.tryWithdraw())
              else {
                budget.deposit()
                reference.deposit()
              }
            }
          expect(budget.available).toBe(reference.available)
        }
      }),
      { seed: 5, numRuns: 300 },
    )
  })

  test('stays within ratio × calls + minimum × seconds', () => {
    fc.assert(
      fc.property(anyOptions, anySteps, (options, steps) => {
        const budget = createRetryBudget(options)
        const startedAt = performance.now()
        let calls = 0
        let granted = 0
        for (const { kind, count } of steps) {
          if (kind === 'wait') vi.advanceTimersByTime(count)
          for (let time = 0; time < count && kind === 'deposit'; time++, calls++) budget.deposit()
          for (let time = 0; time < count && kind === 'withdraw'; time++) granted += Number(budget.tryWithdraw())
          const seconds = Math.floor((performance.now() - startedAt) / 1_000) + 1
          expect(granted).toBeLessThanOrEqual(options.ratio * calls + options.minPerSecond * seconds + 1e-6)
        }
      }),
      { seed: 6, numRuns: 300 },
    )
  })
})
