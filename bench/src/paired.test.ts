import { expect, test } from 'vitest'
import { measurePaired, quantile } from './paired.ts'

test('quantiles interpolate', () => {
  expect([quantile([3, 1, 2], 0.5), quantile([1, 2], 0.5), quantile([0, 10], 0.25), quantile([], 0.5)]).toEqual([
    2,
    1.5,
    2.5,
    Number.NaN,
  ])
})

test('ratios are taken within a round, so that drift cancels out', async () => {
  let drift = 1
  const contender = (name: string, cost: number) => ({
    name,
    slice: () => {
      drift *= 1.001
      return cost * drift
    },
  })
  const [base, twice] = await measurePaired([contender('base', 10), contender('twice', 20)], 51)
  expect([base?.name, base?.ratio]).toEqual(['base', 1])
  expect(twice?.ratio).toBeCloseTo(2, 1)
  expect(twice?.spread[1]).toBeLessThan(2.1)
})

test('a slice that fails or measures nothing makes the run invalid', async () => {
  const broken = { name: 'broken', slice: () => Promise.reject(new Error('a request failed')) }
  await expect(measurePaired([broken], 1)).rejects.toThrow('a request failed')
  await expect(measurePaired([{ name: 'empty', slice: () => 0 }], 1)).rejects.toThrow('empty measured 0: the run is invalid')
})
