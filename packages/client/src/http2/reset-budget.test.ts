import { expect, test } from 'vitest'
import { ResetBudget } from './reset-budget.ts'

test('200 resets at once are allowed, and ten more in each second', () => {
  const budget = new ResetBudget()
  const useAll = (count: number, now: number): boolean[] => Array.from({ length: count }, () => budget.use(now))
  expect(new Set(useAll(200, 5_000))).toEqual(new Set([false]))
  expect(budget.use(5_000)).toBe(true)
  expect(useAll(11, 6_100)).toEqual([...new Array(10).fill(false), true])
  expect(new Set(useAll(200, 60_000))).toEqual(new Set([false]))
})
