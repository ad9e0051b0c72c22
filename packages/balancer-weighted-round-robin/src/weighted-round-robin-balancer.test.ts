import type { Endpoint } from '@sd/core'
import { balancerContract, countPicks, createSeededRandom, createTestEndpoints, createTestView } from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { createWeightedRoundRobinBalancer } from './index.ts'

describe('balancer contract', () => {
  for (const { name, run } of balancerContract({ create: () => createWeightedRoundRobinBalancer() })) test(name, run)
})

const weightLists = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 15 })

/** Asserts |ci/wi - cj/wj| <= 1/wi + 1/wj for every pair. */
function expectBound(endpoints: readonly Endpoint[], weights: readonly number[], counts: ReadonlyMap<string, number>): void {
  const shares = endpoints.map(({ key }, index) => ({ weight: weights[index] as number, count: counts.get(key) ?? 0 }))
  for (const a of shares) {
    for (const b of shares) {
      expect(Math.abs(a.count / a.weight - b.count / b.weight)).toBeLessThanOrEqual(1 / a.weight + 1 / b.weight + 1e-9)
    }
  }
}

test('after any number of picks no two endpoints differ by more than the bound', () => {
  fc.assert(
    fc.property(weightLists, fc.integer({ min: 0, max: 500 }), fc.integer(), (weights, count, seed) => {
      const endpoints = createTestEndpoints(weights)
      const balancer = createWeightedRoundRobinBalancer({ random: createSeededRandom(seed) })
      const picker = balancer.createPicker(createTestView(endpoints))
      expectBound(endpoints, weights, countPicks(picker, count))
    }),
  )
})

test('the rotation is smooth: no endpoint of half the weight or less is picked twice in a row', () => {
  const endpoints = createTestEndpoints([5, 1, 1, 3])
  const picker = createWeightedRoundRobinBalancer({ random: createSeededRandom(1) }).createPicker(createTestView(endpoints))
  let before: Endpoint | undefined
  for (let index = 0; index < 1_000; index++) {
    const picked = picker.pick({})
    if (picked !== endpoints[0]) expect(picked).not.toBe(before)
    before = picked
  }
})

test('continues when the list or a weight changes: rebuilding at every pick keeps the shares', () => {
  const weights = [4, 2, 1, 1]
  const endpoints = createTestEndpoints(weights)
  const balancer = createWeightedRoundRobinBalancer({ random: createSeededRandom(2) })
  const counts = new Map<string, number>()
  let picker = balancer.createPicker(createTestView(endpoints))
  for (let index = 0; index < 800; index++) {
    picker = balancer.createPicker(createTestView(endpoints), picker)
    const key = picker.pick({})?.key ?? ''
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  expectBound(endpoints, weights, counts)
})

test('an endpoint that is added after many picks gets its share, but no burst', () => {
  const endpoints = createTestEndpoints([1, 1, 1])
  const balancer = createWeightedRoundRobinBalancer({ random: createSeededRandom(4) })
  const before = balancer.createPicker(createTestView(endpoints.slice(0, 2)))
  countPicks(before, 1_000)
  const counts = countPicks(balancer.createPicker(createTestView(endpoints), before), 30)
  for (const { key } of endpoints) expect(Math.abs((counts.get(key) ?? 0) - 10)).toBeLessThanOrEqual(1)
})

test('clients start at different endpoints', () => {
  const endpoints = createTestEndpoints([1, 1, 1, 1, 1])
  const random = createSeededRandom(3)
  const firsts = Array.from({ length: 200 }, () =>
    createWeightedRoundRobinBalancer({ random }).createPicker(createTestView(endpoints)).pick({}),
  )
  expect(new Set(firsts).size).toBe(5)
})

test('an endpoint that was out gets its share again, but no burst', () => {
  const endpoints = createTestEndpoints([1, 1, 1])
  const picker = createWeightedRoundRobinBalancer().createPicker(createTestView(endpoints))
  endpoints[0]?.block('test')
  countPicks(picker, 1_000)
  endpoints[0]?.unblock('test')
  const counts = countPicks(picker, 300)
  expect(counts.get(endpoints[0]?.key ?? '')).toBeGreaterThanOrEqual(98)
  expect(counts.get(endpoints[0]?.key ?? '')).toBeLessThanOrEqual(102)
})

test('finds the only available one of a hundred endpoints', () => {
  const endpoints = createTestEndpoints(new Array<number>(101).fill(1))
  const picker = createWeightedRoundRobinBalancer().createPicker(createTestView(endpoints))
  for (const endpoint of endpoints.slice(1)) endpoint.block('test')
  for (let index = 0; index < 50; index++) expect(picker.pick({})).toBe(endpoints[0])
})

test('while no endpoint is available, checks each at most twice', () => {
  const endpoints = createTestEndpoints([1, 1, 1])
  const picker = createWeightedRoundRobinBalancer().createPicker(createTestView(endpoints))
  const asked = endpoints.map((endpoint) => vi.spyOn(endpoint, 'available', 'get').mockReturnValue(false))
  expect(picker.pick({})).toBeUndefined()
  expect(asked.map(({ mock }) => mock.calls.length)).toEqual([2, 2, 2])
})

test('rejects invalid options', () => {
  expect(() => createWeightedRoundRobinBalancer({ seed: 1 } as never)).toThrow('Invalid seed')
  expect(() => createWeightedRoundRobinBalancer({ random: 1 as never })).toThrow('Invalid random')
})
