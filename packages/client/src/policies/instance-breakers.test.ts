import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type Cluster, createEndpoint, createServiceInstance, type Endpoint } from '@sd/core'
import { expect, test } from 'vitest'
import { createInstanceBreakers } from './instance-breakers.ts'

const endpointAt = (port: number): Endpoint =>
  createEndpoint(createServiceInstance({ service: 'orders', address: '10.0.0.1', port }))

test('breakers of removed instances are dropped later, unless calls are in progress', () => {
  const current = [endpointAt(1), endpointAt(2)]
  const view = { endpoints: current, weights: Float64Array.of(1, 1), epoch: 1 }
  const breakers = createInstanceBreakers({ view } as unknown as Cluster, ({ id }) => createOpossumBreaker({ name: id }))
  const kept = breakers.of(current[0] as Endpoint)
  const gone = Array.from({ length: 30 }, (_, index) => endpointAt(100 + index))
  gone[3]?.acquire()
  breakers.of(gone[0] as Endpoint).open()
  expect(gone[0]?.available).toBe(false)
  for (const endpoint of gone) breakers.of(endpoint)
  const known = Array.from(breakers.report(), (report) => ('instanceId' in report ? report.instanceId : ''))
  expect(known.length).toBeLessThan(21)
  expect(known).toContain('10.0.0.1:103')
  expect(known).not.toContain('10.0.0.1:100')
  expect(gone[0]?.available).toBe(true)
  expect(breakers.of(current[0] as Endpoint)).toBe(kept)
  breakers.close()
  expect([...breakers.report()]).toEqual([])
})
