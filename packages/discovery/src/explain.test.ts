import type { EndpointMonitor, MonitoredCluster } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import { expect, test } from 'vitest'
import { byTags, createDiscovery } from './index.ts'

test('each dropped endpoint names the first rule that matches', async () => {
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
  await registry.register({ ...plainSpec('orders', 8), tags, priority: 1 })

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
  expect(cluster.explain()).toEqual({ service: 'orders', isUnknown: true, isPanic: false, endpoints: [] })
  await cluster.ready()
  const byId = new Map(monitored?.endpoints.map((endpoint) => [endpoint.instance.id, endpoint]))
  monitored?.eject(byId.get('orders-3') as never, { reason: 'http', forMs: 30_000 })
  byId.get('orders-6')?.block('breaker of a client', { reason: 'breaker', detail: 'orders-6 is open' })

  const now = expect.any(Number)
  const ejected = { by: 'monitor checks', reason: 'ejected', detail: 'checks: http', since: now, until: now, isTrial: false }
  const shown = cluster.explain().endpoints.map(({ endpoint, ...rest }) => [endpoint.instance.id, rest])
  expect(shown).toEqual([
    ['orders-0', { weight: 0, dropped: 'filter', outs: [] }],
    ['orders-1', { weight: 0, dropped: 'draining', outs: [{ reason: 'draining', since: now }] }],
    ['orders-2', { weight: 0, dropped: 'unhealthy', outs: [{ reason: 'unhealthy', detail: 'no disk', since: now }] }],
    ['orders-3', { weight: 0, dropped: 'ejected', outs: [ejected] }],
    ['orders-4', { weight: 0, dropped: 'priority', outs: [] }],
    ['orders-5', { weight: 0, dropped: 'weight', outs: [] }],
    ['orders-6', { weight: 0, dropped: 'breaker', outs: [expect.objectContaining({ detail: 'orders-6 is open' })] }],
    ['orders-7', { weight: 3, outs: [] }],
    ['orders-8', { weight: 0, dropped: 'priority', outs: [] }],
  ])

  for (const id of ['orders-4', 'orders-5']) monitored?.eject(byId.get(id) as never, { reason: 'http' })
  const { isPanic, endpoints } = cluster.explain()
  expect(isPanic).toBe(true)
  expect(endpoints.filter(({ dropped }) => !dropped)).toMatchObject([
    { endpoint: { instance: { id: 'orders-2' } } },
    { endpoint: { instance: { id: 'orders-3' } } },
    { endpoint: { instance: { id: 'orders-6' } } },
    { endpoint: { instance: { id: 'orders-7' } } },
  ])
})
