import assert from 'node:assert/strict'
import type { Endpoint, Picker, PickRequest } from '@sd/core'

/** Picks `count` times and counts the picks by endpoint key. */
export function countPicks(
  picker: Picker,
  count: number,
  request: (index: number) => PickRequest = () => ({}),
): Map<string, number> {
  const counts = new Map<string, number>()
  for (let index = 0; index < count; index++) {
    const key = picker.pick(request(index))?.key
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/**
 * Asserts that counts follow the weights, by Pearson's chi-square test. A correct balancer fails it with about one in
 * 10,000 seeds, so use a fixed seed. Every endpoint with a positive weight needs an expected count of at least 5.
 *
 * @param weights in the same order as `endpoints`
 */
export function assertDistribution(
  counts: ReadonlyMap<string, number>,
  endpoints: readonly Endpoint[],
  weights: readonly number[],
): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const totalWeight = weights.reduce((sum, weight) => sum + weight, 0)
  let chiSquare = 0
  let classes = 0
  for (const [index, { key }] of endpoints.entries()) {
    const weight = weights[index] ?? 0
    const expected = (total * weight) / totalWeight
    const count = counts.get(key) ?? 0
    if (weight === 0) {
      assert.equal(count, 0, `${key} has weight 0`)
      continue
    }
    assert(expected >= 5, `too few picks to judge ${key}`)
    chiSquare += (count - expected) ** 2 / expected
    classes++
  }
  const limit = chiSquareLimit(classes - 1)
  assert(chiSquare <= limit, `chi-square ${chiSquare.toFixed(1)} is over ${limit.toFixed(1)} for ${classes} endpoints`)
}

/** The 0.9999 quantile of the chi-square distribution, by Wilson and Hilferty's approximation (1931). */
function chiSquareLimit(degreesOfFreedom: number): number {
  if (degreesOfFreedom <= 0) return 0
  const spread = 2 / (9 * degreesOfFreedom)
  return degreesOfFreedom * (1 - spread + 3.719 * Math.sqrt(spread)) ** 3
}
