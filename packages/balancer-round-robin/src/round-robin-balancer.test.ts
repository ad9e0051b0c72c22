import type { Endpoint, Picker } from '@sd/core'
import { balancerContract, countPicks, createSeededRandom, createTestEndpoints, createTestView } from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRoundRobinBalancer } from './index.ts'

describe('balancer contract', () => {
  for (const { name, run } of balancerContract({ create: () => createRoundRobinBalancer() })) test(name, run)
})

function picks(picker: Picker, count: number): (string | undefined)[] {
  return Array.from({ length: count }, () => picker.pick({})?.instance.id)
}

test('over any window the shares differ by at most one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 200 }), (size, count) => {
      const endpoints = createTestEndpoints(new Array<number>(size).fill(1))
      const counts = countPicks(createRoundRobinBalancer().createPicker(createTestView(endpoints)), count)
      const all = endpoints.map(({ key }) => counts.get(key) ?? 0)
      expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1)
    }),
  )
})

test('clients start at different endpoints', () => {
  const endpoints = createTestEndpoints(new Array<number>(10).fill(1))
  const random = createSeededRandom(1)
  const firsts = Array.from({ length: 200 }, () =>
    createRoundRobinBalancer({ random }).createPicker(createTestView(endpoints)).pick({}),
  )
  expect(new Set(firsts).size).toBe(10)
})

test('a change of the list does not restart the rotation', () => {
  const endpoints = createTestEndpoints([1, 1, 1, 1])
  const [a, b, c, d] = endpoints as [Endpoint, Endpoint, Endpoint, Endpoint]
  const balancer = createRoundRobinBalancer({ random: () => 0 })
  let picker = balancer.createPicker(createTestView([a, b, c]))
  expect(picks(picker, 2)).toEqual(['orders-0', 'orders-1'])
  picker = balancer.createPicker(createTestView([d, a, b, c]), picker)
  expect(picks(picker, 2)).toEqual(['orders-2', 'orders-3'])
  picker = balancer.createPicker(createTestView([d, b, c]), picker)
  expect(picks(picker, 3)).toEqual(['orders-1', 'orders-2', 'orders-3'])
})

test('skips endpoints that are out or were attempted, and continues after the picked one', () => {
  const endpoints = createTestEndpoints([1, 1, 1, 1])
  const [a, b, , d] = endpoints as [Endpoint, Endpoint, Endpoint, Endpoint]
  const picker = createRoundRobinBalancer({ random: () => 0 }).createPicker(createTestView(endpoints))
  b.block('test')
  expect(picker.pick({ attempted: [a] })?.instance.id).toBe('orders-2')
  expect(picks(picker, 3)).toEqual(['orders-3', 'orders-0', 'orders-2'])
  expect(picker.pick({ attempted: [d] })?.instance.id).toBe('orders-0')
})

test('no endpoint starves if the list changes at every pick', () => {
  const endpoints = createTestEndpoints(new Array<number>(10).fill(1))
  const balancer = createRoundRobinBalancer()
  const counts = new Map<string, number>()
  let picker = balancer.createPicker(createTestView(endpoints))
  for (let index = 0; index < 1_000; index++) {
    picker = balancer.createPicker(createTestView(endpoints), picker)
    const key = picker.pick({})?.key ?? ''
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  expect([...counts.values()]).toEqual(new Array<number>(10).fill(100))
})

test('rejects invalid options', () => {
  expect(() => createRoundRobinBalancer({ random: 'x' as never })).toThrow('Invalid random')
  expect(() => createRoundRobinBalancer({ start: 1 } as never)).toThrow('Invalid start')
})
