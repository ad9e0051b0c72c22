import type { Endpoint } from '@sd/core'
import {
  acquire,
  assertDistribution,
  balancerContract,
  countPicks,
  createSeededRandom,
  createTestEndpoints,
  createTestView,
  release,
} from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLeastActiveBalancer } from './index.ts'

describe('balancer contract', () => {
  for (const { name, run } of balancerContract({ create: () => createLeastActiveBalancer() })) test(name, run)
})

test('for any changes, picks one of the least active available endpoints', () => {
  const step = fc.record({ index: fc.nat(30), action: fc.constantFrom('acquire', 'release', 'block', 'unblock', 'attempt') })
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 31 }), fc.array(step), (weights, steps) => {
      const endpoints = createTestEndpoints(weights)
      const picker = createLeastActiveBalancer().createPicker(createTestView(endpoints))
      for (const { index, action } of steps) {
        const endpoint = endpoints[index % endpoints.length] as Endpoint
        if (action === 'acquire') acquire(endpoint, picker)
        if (action === 'release' && endpoint.active > 0) release(endpoint, picker)
        if (action === 'block') endpoint.block('test')
        if (action === 'unblock') endpoint.unblock('test')
        picker.changed?.(endpoint)
        const attempted = action === 'attempt' ? [endpoint] : []
        const candidates = endpoints.filter(
          (candidate, position) => (weights[position] as number) > 0 && candidate.available && !attempted.includes(candidate),
        )
        const picked = picker.pick({ attempted })
        if (candidates.length === 0) expect(picked).toBeUndefined()
        else expect(picked?.active).toBe(Math.min(...candidates.map(({ active }) => active)))
        if (picked) expect(candidates).toContain(picked)
      }
    }),
  )
})

test('ties are broken by weight', () => {
  const weights = [1, 2, 3, 0, 4]
  const endpoints = createTestEndpoints(weights)
  const picker = createLeastActiveBalancer({ random: createSeededRandom(1) }).createPicker(createTestView(endpoints))
  assertDistribution(countPicks(picker, 50_000), endpoints, weights)
})

test('requests in flight spread evenly', () => {
  const endpoints = createTestEndpoints(new Array<number>(7).fill(1))
  const picker = createLeastActiveBalancer().createPicker(createTestView(endpoints))
  for (let index = 0; index < 70; index++) {
    const picked = picker.pick({})
    if (picked) acquire(picked, picker)
  }
  expect(endpoints.map(({ active }) => active)).toEqual(new Array<number>(7).fill(10))
})

test('detects at the pick a change without notification', () => {
  const endpoints = createTestEndpoints([1, 1])
  const [first, second] = endpoints as [Endpoint, Endpoint]
  const picker = createLeastActiveBalancer().createPicker(createTestView(endpoints))
  first.acquire()
  for (let index = 0; index < 20; index++) expect(picker.pick({})).toBe(second)
  second.block('test')
  expect(picker.pick({})).toBe(first)
})

test('the numbers of the option decide between ties', () => {
  const endpoints = createTestEndpoints([1, 1, 1, 1])
  const picksWith = (seed: number) => {
    const picker = createLeastActiveBalancer({ random: createSeededRandom(seed) }).createPicker(createTestView(endpoints))
    return Array.from({ length: 50 }, () => picker.pick({})?.key)
  }
  expect(picksWith(5)).toEqual(picksWith(5))
  expect(picksWith(5)).not.toEqual(picksWith(6))
})

test('rejects invalid options', () => {
  expect(() => createLeastActiveBalancer({ seed: 1 } as never)).toThrow('Invalid seed')
  expect(() => createLeastActiveBalancer({ random: 1 as never })).toThrow('Invalid random')
})
