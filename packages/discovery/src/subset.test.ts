import { createMemoryRegistry } from '@sd/registry-memory'
import { createTestEndpoints, plainSpec } from '@sd/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDiscovery } from './index.ts'
import { createSubset } from './subset.ts'

const endpoints = createTestEndpoints(new Array<number>(60).fill(1))

function choose(clientId: string, size: number, from: readonly (typeof endpoints)[number][] = endpoints): Set<string> {
  const isChosen = createSubset({ size, clientId })(from) ?? (() => true)
  return new Set(from.filter(isChosen).map(({ key }) => key))
}

test('has the given size, and replaces only an endpoint that disappears', () => {
  const property = fc.property(fc.string(), fc.integer({ min: 1, max: 70 }), fc.nat(59), (clientId, size, removed) => {
    const before = choose(clientId, size)
    expect(before.size).toBe(Math.min(size, 60))
    expect(choose(clientId, size, endpoints.toReversed())).toEqual(before)
    const left = endpoints.filter((_, index) => index !== removed)
    const after = choose(clientId, size, left)
    const removedKey = endpoints[removed]?.key as string
    expect([...before].filter((key) => !after.has(key))).toEqual(before.has(removedKey) ? [removedKey] : [])
    expect(after.size).toBe(Math.min(size, 59))
  })
  fc.assert(property, { numRuns: 200, seed: 5 })
})

test('of many clients spreads evenly over all endpoints', () => {
  const clients = 3_000
  const size = 10
  const counts = new Map<string, number>()
  for (let client = 0; client < clients; client++) {
    for (const key of choose(`client-${client}`, size)) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  // Independent choices: the number of clients is binomial with p = 10/60. Allow five standard deviations.
  const p = size / endpoints.length
  for (const { key } of endpoints) {
    expect(Math.abs((counts.get(key) ?? 0) - clients * p)).toBeLessThan(5 * Math.sqrt(clients * p * (1 - p)))
  }
})

test('is an option of all services and of one, and candidates are chosen in the same way', async () => {
  await using registry = createMemoryRegistry()
  for (let index = 0; index < 100; index++) {
    for (const service of ['orders', 'users']) {
      await registry.register({ ...plainSpec(service, index), health: index % 5 === 0 ? 'unhealthy' : 'healthy' })
    }
  }
  await using discovery = createDiscovery({
    source: registry,
    subset: { size: 20, clientId: 'pod-1' },
    services: { users: { subset: { size: 5 } } },
  })
  const [orders, users] = [discovery.cluster('orders'), discovery.cluster('users')]
  await Promise.all([orders.ready(), users.ready()])
  expect([orders.view.endpoints.length, users.view.endpoints.length]).toEqual([20, 5])
  expect(orders.view.endpoints.every(({ instance }) => instance.health.status === 'healthy')).toBe(true)
  const { candidates = [], endpoints: chosen } = orders.view
  expect(candidates).toEqual(expect.arrayContaining([...chosen]))
  // A fifth of all is unhealthy, and about a fifth of the candidates too. Choosing only from healthy ones would give none;
  // no subset would give 80.
  expect(candidates.length).toBeGreaterThan(20)
  expect(candidates.length).toBeLessThan(40)
  const dropped = orders.explain().endpoints.filter((one) => one.dropped === 'subset')
  expect(dropped).toHaveLength(60)
})
