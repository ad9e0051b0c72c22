import type { Endpoint, Picker } from '@sd/core'
import {
  acquire,
  balancerContract,
  countPicks,
  createSeededRandom,
  createTestEndpoints,
  createTestView,
  release,
} from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createConsistentHashBalancer } from './index.ts'

describe('balancer contract', () => {
  for (const { name, run } of balancerContract({ create: () => createConsistentHashBalancer() })) test(name, run)
})

describe('balancer contract with bounded loads', () => {
  for (const { name, run } of balancerContract({ create: () => createConsistentHashBalancer({ loadFactor: 1.25 }) }))
    test(name, run)
})

const balancer = createConsistentHashBalancer()
const users = Array.from({ length: 20_000 }, (_, index) => `user-${index}`)

function place(picker: Picker): (Endpoint | undefined)[] {
  return users.map((hashKey) => picker.pick({ hashKey }))
}

test('one key goes to one endpoint, whatever the order of the list', () => {
  const endpoints = createTestEndpoints([1, 2, 1, 3, 1])
  const placed = place(balancer.createPicker(createTestView(endpoints)))
  expect(place(balancer.createPicker(createTestView(endpoints.toReversed())))).toEqual(placed)
})

test('shares follow the weights within the spread of 150 virtual nodes', () => {
  const weights = [1, 1, 2, 4, 1, 1]
  const endpoints = createTestEndpoints(weights)
  const counts = countPicks(balancer.createPicker(createTestView(endpoints)), 100_000, (index) => ({ hashKey: `key-${index}` }))
  for (const [index, { key }] of endpoints.entries()) {
    const expected = (100_000 * (weights[index] as number)) / 10
    // The share of v virtual nodes has a standard deviation of about 1/sqrt(v) of itself: allow four.
    expect(Math.abs((counts.get(key) ?? 0) / expected - 1)).toBeLessThan(4 / Math.sqrt(90))
  }
})

test('who comes takes about its share and nothing else moves; who leaves gives only its own keys away', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(11), (size, choice) => {
      const endpoints = createTestEndpoints(new Array<number>(size).fill(1))
      const one = endpoints[choice % size] as Endpoint
      const others = endpoints.filter((endpoint) => endpoint !== one)
      const withAll = balancer.createPicker(createTestView(endpoints))
      const without = balancer.createPicker(createTestView(others), withAll)
      const back = balancer.createPicker(createTestView(endpoints), without)
      const [before, between, after] = [place(withAll), place(without), place(back)]
      let moved = 0
      for (const [index, owner] of before.entries()) {
        if (owner === one) moved++
        else expect(between[index]).toBe(owner)
      }
      expect(after).toEqual(before)
      expect(moved / users.length).toBeLessThan(1.6 / size)
      expect(moved / users.length).toBeGreaterThan(0.5 / size)
    }),
    { numRuns: 20, seed: 1 },
  )
})

test('a ring changed step by step equals one that is made anew', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(fc.array(weights, { minLength: 1, maxLength: 6 }), (steps) => {
      const endpoints = createTestEndpoints(new Array<number>(8).fill(1))
      let picker: Picker | undefined
      for (const list of steps) {
        picker = balancer.createPicker(createTestView(endpoints, list), picker)
        const anew = balancer.createPicker(createTestView(endpoints, list))
        for (const hashKey of users.slice(0, 500)) expect(picker.pick({ hashKey })).toBe(anew.pick({ hashKey }))
      }
    }),
    { numRuns: 40, seed: 2 },
  )
})

test('when an endpoint is out its keys go on along the ring and come back, the others stay', () => {
  const endpoints = createTestEndpoints([1, 1, 1, 1])
  const picker = balancer.createPicker(createTestView(endpoints))
  const before = place(picker)
  const [out] = endpoints as [Endpoint]
  out.block('test')
  const during = place(picker)
  for (const [index, owner] of before.entries()) {
    if (owner !== out) expect(during[index]).toBe(owner)
  }
  expect(new Set(during).size).toBe(3)
  out.unblock('test')
  expect(place(picker)).toEqual(before)
})

test('weights as large as in DNS SRV and thousands of endpoints keep the ring bounded', () => {
  const endpoints = createTestEndpoints(Array.from({ length: 2_000 }, (_, index) => (index % 2 === 0 ? 65_535 : 1)))
  const counts = countPicks(balancer.createPicker(createTestView(endpoints)), 100_000, (index) => ({ hashKey: `key-${index}` }))
  const light = endpoints
    .filter(({ instance }) => instance.weight === 1)
    .reduce((sum, { key }) => sum + (counts.get(key) ?? 0), 0)
  expect(light).toBeGreaterThan(0)
  expect(light / 100_000).toBeLessThan(0.02)
})

test('a bounded load is never over its share by more than the factor', () => {
  const endpoints = createTestEndpoints([1, 1, 1, 1, 1])
  const picker = createConsistentHashBalancer({ loadFactor: 1.25 }).createPicker(createTestView(endpoints))
  const random = createSeededRandom(1)
  const active: Endpoint[] = []
  for (let index = 0; index < 5_000; index++) {
    // Half of all requests are for one hot key.
    const picked = picker.pick({ hashKey: random() < 0.5 ? 'hot' : `user-${index}` }) as Endpoint
    acquire(picked, picker)
    active.push(picked)
    expect(picked.active).toBeLessThanOrEqual(Math.ceil((1.25 * active.length) / 5))
    if (active.length > 40) release(active.splice(Math.floor(random() * 40), 1)[0] as Endpoint, picker)
  }
  expect(createConsistentHashBalancer().createPicker(createTestView(endpoints)).changed).toBeUndefined()
})

test('without a key the choice is random', () => {
  const endpoints = createTestEndpoints([1, 1, 1])
  const picker = createConsistentHashBalancer({ random: createSeededRandom(5) }).createPicker(createTestView(endpoints))
  const counts = countPicks(picker, 3_000)
  expect(counts.size).toBe(3)
  expect(Math.min(...counts.values())).toBeGreaterThan(500)
})

test('with hundreds of endpoints out the one left is found', () => {
  const endpoints = createTestEndpoints(new Array<number>(500).fill(1))
  const picker = balancer.createPicker(createTestView(endpoints))
  for (const endpoint of endpoints.slice(1)) endpoint.block('test')
  for (const hashKey of users.slice(0, 50)) expect(picker.pick({ hashKey })).toBe(endpoints[0])
})

test('bad options are refused', () => {
  expect(() => createConsistentHashBalancer({ loadFactor: 1 })).toThrow(
    'Invalid loadFactor: got 1, want a number from 1.01 to 100',
  )
  expect(() => createConsistentHashBalancer({ random: 1 as never })).toThrow('Invalid random')
})
