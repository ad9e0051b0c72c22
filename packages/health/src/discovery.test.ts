import { createServer } from 'node:http'
import { type Endpoint, endpointEjectionChannel, subscribeTelemetry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createHealthMonitor, createHealthReporter, createHttpCheck } from './index.ts'
import { listen } from './testing/targets.ts'

/** Two servers that say how they are, registered, and a Discovery that watches them. */
async function start(fast: { readonly intervalMs: number; readonly rise: number; readonly fall: number }) {
  const registry = createMemoryRegistry()
  const down = new Set<number>()
  const registrations = []
  for (const index of [0, 1]) {
    const { address, port } = await listen(
      createServer((_, response) => void response.writeHead(down.has(index) ? 503 : 200).end()),
    )
    registrations.push(await registry.register({ service: 'orders', id: `orders-${index}`, address, port }))
  }
  const monitor = createHealthMonitor({ check: createHttpCheck({ path: '/health' }), timeoutMs: 5_000, ...fast })
  const discovery = createDiscovery({ source: registry, monitors: [monitor], coalesceMs: 1 })
  onTestFinished(async () => {
    await discovery.close()
    await registry.close()
  })
  const cluster = discovery.cluster('orders')
  await cluster.ready()
  const ids = (endpoints: readonly Endpoint[]): string[] => endpoints.map(({ instance }) => instance.id).sort()
  return { down, cluster, registrations, ids }
}

const fast = { intervalMs: 20, rise: 1, fall: 2 }

test('a server that fails its check gets no traffic until it is well again', async () => {
  const { down, cluster, ids } = await start(fast)
  const told: string[] = []
  onTestFinished(
    subscribeTelemetry(endpointEjectionChannel, ({ monitor, instanceId, ejection }) => {
      told.push(`${monitor} ${instanceId} ${ejection?.reason ?? 'restored'}`)
    }),
  )
  expect(ids(cluster.view.endpoints)).toEqual(['orders-0', 'orders-1'])
  down.add(1)
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-0']), 20_000)
  expect(
    cluster
      .explain()
      .endpoints.map(({ endpoint, dropped }) => [endpoint.instance.id, dropped])
      .sort(),
  ).toEqual([
    ['orders-0', undefined],
    ['orders-1', 'ejected'],
  ])
  down.clear()
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-0', 'orders-1']), 20_000)
  expect(told).toEqual(['health-http orders-1 http', 'health-http orders-1 restored'])
})

test('a server that tells its own bad health gets no traffic either', async () => {
  const { cluster, registrations, ids } = await start({ ...fast, fall: 1_000 })
  const [registration] = registrations
  if (!registration) throw new Error('want a registration')
  let isDown = true
  const database = { name: 'database', run: () => (isDown ? Promise.reject(new Error('down')) : Promise.resolve(undefined)) }
  const reporter = createHealthReporter({ checks: [{ check: database }], registrations: [registration], ...fast })
  onTestFinished(() => reporter.close())
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-1']), 20_000)
  isDown = false
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-0', 'orders-1']), 20_000)
})
