import {
  assertDistribution,
  balancerContract,
  countPicks,
  createSeededRandom,
  createTestEndpoints,
  createTestView,
} from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandomBalancer } from './index.ts'

describe('balancer contract', () => {
  for (const { name, run } of balancerContract({ create: () => createRandomBalancer() })) test(name, run)
})

function spread(weights: readonly number[], seed: number): void {
  const endpoints = createTestEndpoints(weights)
  const picker = createRandomBalancer({ random: createSeededRandom(seed) }).createPicker(createTestView(endpoints))
  assertDistribution(countPicks(picker, 50_000), endpoints, weights)
}

test('equal weights get equal shares', () => spread([1, 1, 1, 1, 1, 1, 1], 1))

test('shares follow the weights', () => spread([1, 2, 3, 0, 10, 0.5], 2))

test('shares follow any weights', () => {
  const weights = fc
    .array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 20 })
    .filter((list) => list.some((w) => w > 0))
  fc.assert(
    fc.property(weights, fc.integer(), (list, seed) => spread(list, seed)),
    { numRuns: 30, seed: 7 },
  )
})

test('an extreme weight leaves the others their share', () => {
  const endpoints = createTestEndpoints([65_535, 1])
  const picker = createRandomBalancer({ random: createSeededRandom(3) }).createPicker(createTestView(endpoints))
  const counts = countPicks(picker, 1_000_000)
  assertDistribution(counts, endpoints, [65_535, 1])
})

test('endpoints that are out leave their share to the others in proportion', () => {
  const weights = [5, 1, 2, 4]
  const endpoints = createTestEndpoints(weights)
  const picker = createRandomBalancer({ random: createSeededRandom(4) }).createPicker(createTestView(endpoints))
  endpoints[1]?.block('test')
  const counts = countPicks(picker, 50_000)
  assertDistribution(counts, endpoints, [5, 0, 2, 4])
})

test('picks depend only on the numbers of the option', () => {
  const endpoints = createTestEndpoints([1, 1, 1, 1])
  const picksWith = (seed: number) => {
    const picker = createRandomBalancer({ random: createSeededRandom(seed) }).createPicker(createTestView(endpoints))
    return Array.from({ length: 50 }, () => picker.pick({})?.instance.id)
  }
  expect(picksWith(5)).toEqual(picksWith(5))
  expect(picksWith(5)).not.toEqual(picksWith(6))
})

test('rejects invalid options', () => {
  expect(() => createRandomBalancer({ random: 1 as never })).toThrow('Invalid random: got 1, want a function')
  expect(() => createRandomBalancer({ seed: 1 } as never)).toThrow('Invalid seed')
})
