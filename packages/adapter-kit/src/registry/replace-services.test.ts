import { collectServices, createServiceInstance, createSnapshot, type ServiceSnapshot } from '@sd/core'
import { expect, test } from 'vitest'
import { replaceServices } from './replace-services.ts'

function snapshotOf(service: string, size: number): ServiceSnapshot {
  const instances = Array.from({ length: size }, (_, index) =>
    createServiceInstance({ service, id: `${service}-${index}`, address: '10.0.0.1', port: 80 }),
  )
  return createSnapshot({ service, instances })
}

test('changed services are replaced, empty ones omitted, and the map is the same if nothing changed', () => {
  const orders = snapshotOf('orders', 1)
  const all = collectServices([orders, snapshotOf('users', 2)])
  expect(replaceServices(all, [])).toBe(all)
  expect(replaceServices(all, [orders, snapshotOf('unknown', 0)])).toBe(all)
  const fewer = replaceServices(all, [snapshotOf('users', 0), snapshotOf('carts', 1)])
  expect([...fewer.keys()]).toEqual(['carts', 'orders'])
  expect(fewer.get('orders')).toBe(orders)
  expect([...all.keys()]).toEqual(['orders', 'users'])
})
