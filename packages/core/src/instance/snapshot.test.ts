import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createServiceInstance } from './instance.ts'
import type { ServiceInstance } from './service-instance.ts'
import { collectServices, createSnapshot, diffSnapshots, keepIfSame, type ServiceSnapshot } from './snapshot.ts'

function instance(id: string, weight: number = 1): ServiceInstance {
  return createServiceInstance({ service: 'orders', id, address: '10.0.0.1', port: 80, weight })
}

function snapshot(instances: readonly ServiceInstance[], previous?: ServiceSnapshot): ServiceSnapshot {
  return createSnapshot({ service: 'orders', instances, previous })
}

test('a snapshot is sorted and frozen, and has the last instance of each id', () => {
  const one = snapshot([instance('b'), instance('a'), instance('b', 5)])
  expect(one.instances.map(({ id, weight }) => [id, weight])).toEqual([
    ['a', 1],
    ['b', 5],
  ])
  expect([one.revision, one.stale, Object.isFrozen(one), Object.isFrozen(one.instances)]).toEqual(['', false, true, true])
})

test('sorted and unsorted lists give the same order, identities and previous snapshot', () => {
  const list = fc.uniqueArray(fc.record({ id: fc.integer({ min: 0, max: 30 }), weight: fc.integer({ min: 0, max: 2 }) }), {
    selector: ({ id }) => id,
  })
  const build = (entries: readonly { readonly id: number; readonly weight: number }[]): ServiceInstance[] =>
    entries.map(({ id, weight }) =>
      createServiceInstance({ service: 'orders', id: `id-${id}`, address: '10.0.0.1', port: 80, weight }, { createdAt: 1 }),
    )
  fc.assert(
    fc.property(list, list, (before, after) => {
      const previous = createSnapshot({ service: 'orders', instances: build(before) })
      const instances = build(after)
      const unsorted = createSnapshot({ service: 'orders', instances: new Set(instances), previous })
      const sorted = instances.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      const fromSorted = createSnapshot({ service: 'orders', instances: sorted, previous })
      expect(fromSorted.instances.map(({ id }) => id)).toEqual(unsorted.instances.map(({ id }) => id))
      expect(fromSorted.instances.every((instance, index) => instance === unsorted.instances[index])).toBe(true)
      expect(fromSorted === previous).toBe(unsorted === previous)
    }),
  )
})

test('equal content is the same object; unchanged instances keep their identity', () => {
  const before = snapshot([instance('a'), instance('b')])
  expect(snapshot([instance('b'), instance('a')], before)).toBe(before)
  const after = snapshot([instance('a'), instance('b', 2)], before)
  expect([after.instances[0] === before.instances[0], after.instances[1] === before.instances[1]]).toEqual([true, false])
  expect(createSnapshot({ service: 'orders', instances: before.instances, previous: before, stale: true })).not.toBe(before)
})

test('the difference between two snapshots leads from one to the other', () => {
  const lists = fc.uniqueArray(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), weight: fc.nat(2) }), {
    selector: ({ id }) => id,
  })
  fc.assert(
    fc.property(lists, lists, (from, to) => {
      const before = snapshot(from.map(({ id, weight }) => instance(id, weight)))
      const after = snapshot(
        to.map(({ id, weight }) => instance(id, weight)),
        before,
      )
      const { added, updated, removed } = diffSnapshots(before, after)
      const rebuilt = new Map(before.instances.map((one) => [one.id, one]))
      for (const one of removed) expect(rebuilt.delete(one.id)).toBe(true)
      for (const one of added) expect(rebuilt.has(one.id)).toBe(false)
      for (const one of updated) expect(rebuilt.has(one.id)).toBe(true)
      for (const one of [...added, ...updated]) rebuilt.set(one.id, one)
      expect(snapshot([...rebuilt.values()], after)).toBe(after)
      expect(added.length + updated.length + removed.length === 0).toBe(after === before)
    }),
  )
  expect(diffSnapshots(undefined, snapshot([instance('a')])).added).toHaveLength(1)
})

test('a list with the same elements is the previous one', () => {
  const before = ['a', 'b']
  expect(keepIfSame(before, ['a', 'b'])).toBe(before)
  for (const next of [['b', 'a'], ['a'], []]) expect(keepIfSame(before, next)).toBe(next)
  const first: readonly string[] = []
  expect(keepIfSame(undefined, first)).toBe(first)
})

test('all services are sorted, without empty ones, and the same map if nothing changed', () => {
  const of = (service: string, size: number): ServiceSnapshot =>
    createSnapshot({
      service,
      instances: Array.from({ length: size }, (_, index) =>
        createServiceInstance({ service, id: `${service}-${index}`, address: '10.0.0.1', port: 80 }),
      ),
    })
  const [orders, users] = [of('orders', 1), of('users', 2)]
  const all = collectServices([users, of('empty', 0), orders])
  expect([...all]).toEqual([
    ['orders', orders],
    ['users', users],
  ])
  expect(collectServices([orders, users], all)).toBe(all)
  expect(collectServices([orders, of('users', 2)], all)).not.toBe(all)
})
