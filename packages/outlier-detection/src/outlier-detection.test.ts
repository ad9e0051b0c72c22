import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { type ClusterStateReport, collectStates, type Endpoint, type HealthStatus } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createOutlierDetection, type OutlierDetectionOptions } from './index.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  vi.useRealTimers()
})

async function follow(
  instances: readonly { readonly port: number; readonly health?: HealthStatus }[],
  options?: OutlierDetectionOptions,
): Promise<Discovery> {
  const source = createStaticRegistry({
    instances: instances.map((instance) => ({ service: 'orders', address: '127.0.0.1', ...instance })),
  })
  // Envoy's values, and only this rule.
  const monitor = createOutlierDetection({ baseEjectionMs: 30_000, maxEjectedShare: 0.1, maxJitterMs: 0, ...options })
  const discovery = createDiscovery({ source, monitors: [monitor], failureAccrual: false })
  closing.push(
    () => source.close(),
    () => discovery.close(),
  )
  await discovery.cluster('orders').ready()
  return discovery
}

const tenHosts = Array.from({ length: 10 }, (_, index) => ({ port: 8_000 + index }))

function endpointsOf(discovery: Discovery): readonly Endpoint[] {
  return discovery
    .cluster('orders')
    .explain()
    .endpoints.map(({ endpoint }) => endpoint)
}

function fail(endpoint: Endpoint | undefined, times: number): void {
  for (let time = 0; time < times; time++) {
    endpoint?.acquire()
    endpoint?.release({ ok: false, status: 500, latencyMs: 1 })
  }
}

function report(): ClusterStateReport | undefined {
  return collectStates().find((state) => state.kind === 'cluster')
}

describe('ten hosts', () => {
  test('the fifth consecutive 5xx ejects for 30 s, the next ejection lasts 60 s', async () => {
    vi.useFakeTimers()
    const endpoints = endpointsOf(await follow(tenHosts))
    const bad = endpoints[3]
    for (const forMs of [30_000, 60_000]) {
      fail(bad, 4)
      expect(bad?.available).toBe(true)
      fail(bad, 1)
      expect(bad?.available).toBe(false)
      await vi.advanceTimersByTimeAsync(forMs - 1)
      expect(bad?.available).toBe(false)
      await vi.advanceTimersByTimeAsync(1)
      expect(bad?.available).toBe(true)
    }
  })

  test('at most the cap is ejected, whatever fails', async () => {
    vi.useFakeTimers()
    for (const [maxEjectedShare, cap] of [
      [0.1, 1],
      [0.35, 3],
    ] as const) {
      const endpoints = endpointsOf(await follow(tenHosts, { maxEjectedShare }))
      for (let minute = 0; minute < 10; minute++) {
        for (const endpoint of endpoints) fail(endpoint, 7)
        expect(endpoints.filter(({ available }) => !available)).toHaveLength(cap)
        await vi.advanceTimersByTimeAsync(60_000)
      }
    }
  })

  test('all are used while only 40 % are healthy, and the report shows a panic', async () => {
    vi.useFakeTimers()
    const discovery = await follow(tenHosts, { maxEjectedShare: 1 })
    const { view } = discovery.cluster('orders')
    const picked = (): number => new Set(Array.from({ length: 50 }, () => balanced.pick({}))).size
    const balanced = discovery.cluster('orders').attach(createRoundRobinBalancer())
    for (const endpoint of view.endpoints.slice(0, 5)) fail(endpoint, 5)
    expect([picked(), report()?.isPanic]).toEqual([5, false])
    fail(view.endpoints[5], 5)
    expect(report()).toMatchObject({ isPanic: true, ejected: 6 })
    await vi.advanceTimersByTimeAsync(100)
    expect([picked(), report()?.eligible]).toEqual([10, 10])
    await vi.advanceTimersByTimeAsync(30_000)
    expect(report()).toMatchObject({ isPanic: false, ejected: 0, eligible: 10 })
  })

  test('hosts that report themselves unhealthy are included in the panic threshold', async () => {
    const discovery = await follow(tenHosts.map((host, index) => ({ ...host, health: index < 6 ? 'unhealthy' : 'healthy' })))
    expect(report()).toMatchObject({ isPanic: true, eligible: 10, instances: { healthy: 4, unhealthy: 6 } })
    expect(discovery.cluster('orders').view.endpoints).toHaveLength(10)
  })

  test('a restored host regains its weight gradually', async () => {
    vi.useFakeTimers()
    const discovery = await follow(tenHosts, { rampMs: 60_000 })
    fail(endpointsOf(discovery)[0], 5)
    await vi.advanceTimersByTimeAsync(60_000)
    const { view } = discovery.cluster('orders')
    expect(view.weights[0]).toBeGreaterThan(0.45)
    expect(view.weights[0]).toBeLessThan(0.55)
  })

  test('no timer is left after close', async () => {
    vi.useFakeTimers()
    const discovery = await follow(tenHosts)
    fail(endpointsOf(discovery)[0], 5)
    await discovery.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('rejects invalid options', () => {
  expect(() => createOutlierDetection({ rampMs: -1 })).toThrow('Invalid rampMs')
  expect(() => createOutlierDetection({ consecutive: 5 } as never)).toThrow('Invalid consecutive: unknown field')
})
