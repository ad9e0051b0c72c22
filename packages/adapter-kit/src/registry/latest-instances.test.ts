import { createServiceInstance, type ServiceInstance, subscribeTelemetry } from '@sd/core'
import { expect, test } from 'vitest'
import { keepLatest } from './latest-instances.ts'

function at(updatedAt: number, port: number, id: string = 'a'): ServiceInstance {
  return createServiceInstance({ service: 'orders', id, address: '10.0.0.1', port }, { createdAt: 1, updatedAt })
}

test('of an id that is listed more than once the latest is used, and another address is reported', () => {
  const published: (string | undefined)[] = []
  const stop = subscribeTelemetry('sd:v1:backend:operation', ({ operation, error }) =>
    published.push(`${operation} ${error?.message}`),
  )
  const kept = keepLatest('test', 'orders', [at(5, 80), at(3, 81), at(5, 82), at(9, 80, 'b'), at(10, 80, 'b')])
  stop()
  expect(kept.map(({ id, port, updatedAt }) => [id, port, updatedAt])).toEqual([
    ['a', 82, 5],
    ['b', 80, 10],
  ])
  expect(published).toEqual([
    'decode test lists instance a of orders twice: 10.0.0.1:81 is ignored in favour of 10.0.0.1:80',
    'decode test lists instance a of orders twice: 10.0.0.1:80 is ignored in favour of 10.0.0.1:82',
  ])
})
