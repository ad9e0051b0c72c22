import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createFleet, type Fleet, type FleetModel, type FleetOptions } from './index.ts'
import { type AdminEndpoint, startEndpoint } from './testing/admin-endpoint.ts'
import { clusterAnswerOf, clusterOf, countsOf, endpointOf } from './testing/snapshots.ts'

const limitMs = 20_000

function startRegistry(): MemoryRegistry {
  const registry = createMemoryRegistry()
  onTestFinished(() => registry.close())
  return registry
}

function openFleet(options: FleetOptions): Fleet {
  const fleet = createFleet({ intervalMs: 100, requestTimeoutMs: 5_000, onError: () => undefined, ...options })
  onTestFinished(() => fleet.close())
  return fleet
}

/** Keeps a fleet polling until the test is over. */
function keepWatching(fleet: Fleet): void {
  const stopped = new AbortController()
  const read = async (): Promise<void> => {
    for await (const _ of fleet.watch({ signal: stopped.signal }));
  }
  const ended = read()
  onTestFinished(async () => {
    stopped.abort()
    await ended
  })
}

async function registerProcess(
  registry: MemoryRegistry,
  service: string,
  id: string,
  endpoint: AdminEndpoint,
  more: { needs?: readonly string[]; version?: string } = {},
): Promise<void> {
  endpoint.parts = {
    ...endpoint.parts,
    info: {
      processId: `process of ${id}`,
      pid: endpoint.port,
      startedAt: Date.now() - 3_600_000,
      instances: [{ service, instanceId: id }],
      ...endpoint.parts.info,
    },
  }
  await registry.register({
    service,
    id,
    address: '127.0.0.1',
    port: 8_080,
    ports: { 'sd-admin': endpoint.port },
    ...more,
  })
}

async function startShop() {
  const registry = startRegistry()
  const shop = await startEndpoint()
  const orders = await startEndpoint()
  await registerProcess(registry, 'shop', 'shop-0', shop, { needs: ['orders', 'stock'] })
  await registerProcess(registry, 'orders', 'orders-0', orders, { version: '1.4.0' })
  const fleet = openFleet({ source: registry })
  return { registry, shop, orders, fleet }
}

test('callers and called services, by joining the registry and what the processes answer', async () => {
  const { fleet, shop } = await startShop()
  shop.parts = { ...shop.parts, states: [clusterOf('orders', 1)], edges: [countsOf('orders', 1_000, 4)] }
  await fleet.refresh()
  const since = Date.now() - 3_600_000
  shop.parts = { ...shop.parts, since, edges: [countsOf('orders', 1_000, 4)] }
  await fleet.refresh()
  shop.parts = {
    ...shop.parts,
    edges: [
      countsOf('orders', 1_060, 4, { failed: { SD_TIMEOUT: 6 } }),
      { ...countsOf('orders', 60, 4), instanceId: 'orders-0' },
    ],
  }
  const { processes, services, edges } = await fleet.refresh()
  expect(processes.map(({ name, state }) => [name, state])).toEqual([
    ['orders-0', 'answers'],
    ['shop-0', 'answers'],
  ])
  expect(edges.map(({ from, to, kind, traffic }) => [from, to, kind, traffic.total])).toEqual([
    ['shop', 'orders', 'both', 60],
    ['shop', 'stock', 'declared', 0],
  ])
  const [orders, , stock] = services
  expect(orders).toMatchObject({
    service: 'orders',
    calledBy: ['shop'],
    versions: ['1.4.0'],
    traffic: { total: 60, failedShare: 0.1, meanMs: 4, failed: { SD_TIMEOUT: 6 } },
    instances: [{ instanceId: 'orders-0', processId: 'process of orders-0', traffic: { total: 60 } }],
  })
  expect(stock).toMatchObject({ service: 'stock', isRegistered: false, calledBy: [] })
})

test('explain asks the callers, and says in a sentence why an instance gets nothing', async () => {
  const { registry, fleet, shop, orders } = await startShop()
  await registry.register({
    service: 'orders',
    id: 'orders-1',
    address: '127.0.0.1',
    port: 8_081,
    health: { status: 'unhealthy', message: 'no disk' },
  })
  for (const endpoint of [shop, orders]) {
    endpoint.parts = { ...endpoint.parts, states: [clusterOf('orders', 2, { eligible: 1, out: 1 })] }
    endpoint.clusters = [
      clusterAnswerOf('orders', [
        endpointOf('orders-0'),
        endpointOf('orders-1', {
          dropped: 'unhealthy',
          outs: [{ reason: 'unhealthy', detail: 'no disk', since: Date.now() - 60_000 }],
        }),
      ]),
    ]
  }
  const finding = await fleet.explain('orders')
  expect(finding.text).toBe('orders has 2 instances, 1 gets traffic; 2 of 2 callers answered.')
  expect(finding.callersDiffer).toBe(false)
  expect(finding.instances.map(({ text }) => text)).toEqual([
    'gets traffic from all 2 callers',
    expect.stringMatching(
      /^gets nothing from all 2 callers: unhealthy: no disk, since 6\d s.*; the registry says unhealthy: "no disk"$/,
    ),
  ])
  shop.clusters = [clusterAnswerOf('orders', [endpointOf('orders-0')])]
  const differing = await fleet.explain('orders')
  expect(differing.callersDiffer).toBe(true)
  expect(differing.instances[1]?.text).toContain('1 caller does not know it')
  const one = await fleet.explain('orders', { from: 'shop' })
  expect(one.callers.map(({ caller }) => caller)).toEqual(['shop-0'])
  expect(await fleet.explain('nothing')).toMatchObject({ isRegistered: false, instances: [], callers: [] })
})

test('callers that exclude an endpoint are asked while polling, others are not', async () => {
  const { fleet, shop, orders } = await startShop()
  shop.parts = { ...shop.parts, states: [clusterOf('orders', 1, { eligible: 0, out: 1, outBy: { breaker: 1 } })] }
  shop.clusters = [clusterAnswerOf('orders', [endpointOf('orders-0', { dropped: 'breaker' })])]
  orders.parts = { ...orders.parts, states: [clusterOf('stock', 1)] }
  keepWatching(fleet)
  await eventually(() => {
    const [found] = fleet.model.services.filter(({ service }) => service === 'orders')
    expect(found?.instances[0]?.views).toMatchObject([{ caller: 'shop-0', gets: false, reason: 'breaker' }])
  }, limitMs)
  expect(fleet.model.problems.map(({ id }) => id)).toContain('no-endpoint:orders')
  expect(shop.requests.filter((line) => line.includes('/endpoints'))).toHaveLength(1)
  expect(orders.requests.filter((line) => line.includes('/endpoints'))).toEqual([])
})

test('it polls only while it is watched, with one poller for all watches', async () => {
  const { fleet, shop } = await startShop()
  expect(shop.requests).toEqual([])
  const first = fleet.watch()[Symbol.asyncIterator]()
  const second = fleet.watch()[Symbol.asyncIterator]()
  const models = [await first.next(), await second.next()].map(({ value }) => value as FleetModel)
  expect(models.map(({ processes }) => processes.length)).toEqual([2, 2])
  await eventually(() => expect(shop.requests.length).toBeGreaterThan(3), limitMs)
  await first.return?.()
  const before = shop.requests.length
  await eventually(() => expect(shop.requests.length).toBeGreaterThan(before), limitMs)
  await second.return?.()
  // The poll in progress may still end.
  await fleet.refresh()
  const after = shop.requests.length
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(shop.requests.length).toBe(after)
})

test('a restarted process counts from 0, and is a change', async () => {
  const { fleet, shop } = await startShop()
  shop.parts = { ...shop.parts, since: Date.now() - 3_600_000, edges: [countsOf('orders', 5_000)] }
  await fleet.refresh()
  const now = Date.now()
  shop.parts = {
    info: { ...shop.parts.info, processId: 'another', startedAt: now },
    since: now - 1,
    edges: [countsOf('orders', 7)],
  }
  const { edges, changes } = await fleet.refresh()
  expect(edges[0]?.traffic.total).toBe(7)
  expect(changes.filter(({ kind }) => kind === 'process').map(({ text }) => text)).toContain('Process shop-0 was restarted')
})

test('two processes with one id are told apart, and are a problem', async () => {
  const { fleet, shop, orders } = await startShop()
  shop.parts = { ...shop.parts, info: { ...shop.parts.info, processId: 'same' } }
  orders.parts = { ...orders.parts, info: { ...orders.parts.info, processId: 'same' } }
  const { processes, problems } = await fleet.refresh()
  expect(new Set(processes.map(({ processId }) => processId)).size).toBe(2)
  expect(problems.map(({ text }) => text)).toContain('Two processes have the id same')
})

test('two addresses of one process are one process', async () => {
  const { registry, shop } = await startShop()
  const fleet = openFleet({ source: registry, processes: [`localhost:${shop.port}`] })
  const since = Date.now() - 10_000
  shop.parts = { ...shop.parts, since, edges: [countsOf('orders', 10)] }
  await fleet.refresh()
  shop.parts = { ...shop.parts, since, edges: [countsOf('orders', 30)] }
  const { processes, edges } = await fleet.refresh()
  expect(processes.map(({ name }) => name)).toEqual(['orders-0', 'shop-0'])
  // It is not counted twice.
  expect(edges[0]?.traffic.total).toBe(30)
})

test('ask and change reach a process by id or name, below /sd/v1 only', async () => {
  const { fleet, shop } = await startShop()
  await expect(fleet.ask('shop-0', '/slow')).rejects.toThrow(
    expect.objectContaining({ code: 'SD_NOT_FOUND', message: expect.stringContaining('No /sd/v1/slow') }),
  )
  await expect(fleet.ask('shop-0', `/breakers/${encodeURIComponent('a/..b')}`)).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
  await fleet.ask('process of shop-0', '/endpoints', { service: 'a b&c' })
  expect(shop.requests.at(-1)).toBe('GET /sd/v1/endpoints?service=a+b%26c')
  expect(await fleet.change('shop-0', '/breakers/orders', { state: 'open', reason: 'test' })).toMatchObject({ action: 'changed' })
  expect(shop.requests.at(-1)).toBe('POST /sd/v1/breakers/orders')
  await expect(fleet.ask('nobody', '/slow')).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
  for (const path of ['slow', '/../secret', '/a/..', '/./a', '/%2E%2e/secret', '/slow?x=1', '/a b', '//evil\r\n']) {
    await expect(fleet.ask('shop-0', path)).rejects.toMatchObject({ code: 'SD_INVALID' })
  }
})

test('a registry that is unreachable leaves the last known state, and is a problem', async () => {
  const { registry, fleet } = await startShop()
  keepWatching(fleet)
  await eventually(() => expect(fleet.model.processes).toHaveLength(2), limitMs)
  registry.setConnected(false)
  await eventually(() => expect(fleet.model.registry.staleSince).toBeDefined(), limitMs)
  expect(fleet.model.services.map(({ service }) => service)).toEqual(['orders', 'shop', 'stock'])
  expect(fleet.model.changes[0]?.text).toBe('The registry memory is unreachable from here')
  registry.setConnected(true)
  await eventually(() => expect(fleet.model.registry.staleSince).toBeUndefined(), limitMs)
})

test('a registry without a watch of all services is followed service by service', async () => {
  const registry = startRegistry()
  const endpoint = await startEndpoint()
  await registerProcess(registry, 'orders', 'orders-0', endpoint)
  const capabilities = { ...registry.capabilities, watchAll: false }
  const fleet = openFleet({ source: { ...registry, capabilities } })
  keepWatching(fleet)
  await eventually(() => expect(fleet.model.processes).toHaveLength(1), limitMs)
  const stock = await registry.register({ service: 'stock', address: '127.0.0.1', port: 1 })
  await eventually(() => expect(fleet.model.services.map(({ service }) => service)).toEqual(['orders', 'stock']), limitMs)
  await stock.deregister()
  await eventually(() => expect(fleet.model.services.map(({ service }) => service)).toEqual(['orders']), limitMs)
  // One that can't list knows the named services only.
  const dns = openFleet({ source: { ...registry, capabilities: { ...capabilities, listServices: false } }, services: ['orders'] })
  expect((await dns.refresh()).services.map(({ service }) => service)).toEqual(['orders'])
})

test('closing ends watches, and nothing is read afterwards', async () => {
  const { fleet, shop } = await startShop()
  const watch = fleet.watch()[Symbol.asyncIterator]()
  await watch.next()
  const pending = [fleet.refresh(), fleet.refresh()].map((refresh) => refresh.catch(({ code }) => code))
  await fleet.close()
  await fleet.close()
  await Promise.all(pending)
  await eventually(async () => expect((await watch.next()).done).toBe(true), limitMs)
  await expect(fleet.refresh()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  await expect(fleet.ask('shop-0', '/slow')).rejects.toMatchObject({ code: 'SD_CLOSED' })
  await eventually(async () => expect(await shop.connections()).toBe(0), limitMs)
})

test('the past of a service, an instance and an edge is kept', async () => {
  const { fleet, shop } = await startShop()
  const counts = (total: number) => [countsOf('orders', total), { ...countsOf('orders', total), instanceId: 'orders-0' }]
  const since = Date.now() - 30_000
  shop.parts = { ...shop.parts, since, edges: counts(300) }
  await fleet.refresh()
  for (const ref of [{ service: 'orders' }, { service: 'orders', instanceId: 'orders-0' }, { from: 'shop', to: 'orders' }]) {
    const points = fleet.history(ref)
    expect(points.length).toBeGreaterThanOrEqual(4)
    expect(points.slice(1).map(({ perSecond }) => perSecond)).toEqual(points.slice(1).map(() => expect.closeTo(10, 0)))
  }
  expect(fleet.history({ service: 'unknown' }).every(({ perSecond }) => perSecond === 0)).toBe(true)
})
