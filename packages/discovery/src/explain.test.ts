import type { EndpointMonitor, MonitoredCluster } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import { expect, test } from 'vitest'
import { byTags, createDiscovery } from './index.ts'

test('each rule names whom it drops, the first that matches counts', async () => {
  await using registry = createMemoryRegistry()
  const tags = ['eu']
  await registry.register(plainSpec('orders', 0))
  await registry.register({ ...plainSpec('orders', 1), tags, health: 'draining' })
  await registry.register({ ...plainSpec('orders', 2), tags, health: { status: 'unhealthy', message: 'no disk' } })
  await registry.register({ ...plainSpec('orders', 3), tags })
  await registry.register({ ...plainSpec('orders', 4), tags, priority: 1 })
  await registry.register({ ...plainSpec('orders', 5), tags, weight: 0 })
  await registry.register({ ...plainSpec('orders', 6), tags })
  await registry.register({ ...plainSpec('orders', 7), tags, weight: 3 })

  let monitored: MonitoredCluster | undefined
  const monitor: EndpointMonitor = {
    name: 'checks',
    attach(cluster) {
      monitored = cluster
      return { close() {} }
    },
  }
  await using discovery = createDiscovery({
    source: registry,
    monitors: [monitor],
    services: { orders: { filter: byTags('eu') } },
  })
  const cluster = discovery.cluster('orders')
  expect(cluster.explain()).toEqual({ service: 'orders', isPanic: false, endpoints: [] })
  await cluster.ready()
  const byId = new Map(monitored?.endpoints.map((endpoint) => [endpoint.instance.id, endpoint]))
  monitored?.eject(byId.get('orders-3') as never, { reason: 'http', forMs: 30_000 })
  byId.get('orders-6')?.block('breaker')

  const shown = cluster.explain().endpoints.map(({ endpoint, ...rest }) => [endpoint.instance.id, rest])
  expect(shown).toEqual([
    ['orders-0', { weight: 0, dropped: 'filter' }],
    ['orders-1', { weight: 0, dropped: 'draining', detail: 'draining' }],
    ['orders-2', { weight: 0, dropped: 'health', detail: 'unhealthy: no disk' }],
    ['orders-3', { weight: 0, dropped: 'ejected', detail: 'checks: http for 30000 ms' }],
    ['orders-4', { weight: 0, dropped: 'priority' }],
    ['orders-5', { weight: 0, dropped: 'weight' }],
    ['orders-6', { weight: 0, dropped: 'blocked', detail: 'breaker' }],
    ['orders-7', { weight: 3 }],
  ])

  for (const id of ['orders-4', 'orders-5']) monitored?.eject(byId.get(id) as never, { reason: 'http' })
  const { isPanic, endpoints } = cluster.explain()
  expect(isPanic).toBe(true)
  expect(endpoints.filter(({ dropped }) => !dropped)).toMatchObject([
    { endpoint: { instance: { id: 'orders-2' } }, detail: 'unhealthy: no disk' },
    { endpoint: { instance: { id: 'orders-3' } }, detail: 'checks: http for 30000 ms' },
    { endpoint: { instance: { id: 'orders-7' } } },
  ])
})
