import {
  type AttachedMonitor,
  collectStates,
  type Endpoint,
  type EndpointMonitor,
  type MonitoredCluster,
  type SdError,
  type StateReport,
  subscribeTelemetry,
  type TelemetryEvents,
} from '@sd/core'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createDiscovery, type Discovery, type DiscoveryOptions } from './index.ts'

let registry: MemoryRegistry
let discovery: Discovery
beforeEach(() => {
  vi.useFakeTimers()
  registry = createMemoryRegistry()
})
afterEach(async () => {
  await discovery?.close()
  await registry.close()
  vi.useRealTimers()
})

/** A monitor controlled by the test. */
function createPuppet(name: string): EndpointMonitor & { cluster: MonitoredCluster } & {
  [Key in keyof AttachedMonitor]-?: ReturnType<typeof vi.fn<Required<AttachedMonitor>[Key]>>
} {
  return {
    name,
    cluster: undefined as never,
    observe: vi.fn(),
    update: vi.fn(),
    explain: vi.fn(),
    close: vi.fn(),
    attach(cluster) {
      this.cluster = cluster
      return this
    },
  }
}

async function start(count: number, options: Partial<DiscoveryOptions>): Promise<readonly Endpoint[]> {
  for (let index = 0; index < count; index++) await registry.register(plainSpec('orders', index))
  discovery = createDiscovery({ source: registry, coalesceMs: 100, ...options })
  const cluster = discovery.cluster('orders')
  await cluster.ready()
  return cluster.view.endpoints
}

const idsOf = (endpoints: readonly Endpoint[] = []): string[] => endpoints.map(({ instance }) => instance.id.slice(-1))
const clusterStates = (): StateReport[] => collectStates().filter(({ kind }) => kind === 'cluster')
const used = (): string => idsOf(discovery.cluster('orders').view.endpoints).join('')
const coalesced = (): Promise<unknown> => vi.advanceTimersByTimeAsync(100)

describe('an ejected endpoint', () => {
  test('is out at once, leaves the view after the coalescing time, and is restored', async () => {
    const monitor = createPuppet('checks')
    const endpoints = await start(4, { monitors: [monitor] })
    const one = endpoints[0] as Endpoint
    monitor.cluster.eject(one, { reason: 'test' })
    expect([one.available, one.blocks, used()]).toEqual([
      false,
      [{ by: 'monitor checks', reason: 'ejected', detail: 'checks: test', since: Date.now(), isTrial: false }],
      '0123',
    ])
    await coalesced()
    expect(used()).toBe('123')
    expect(idsOf(discovery.cluster('orders').view.candidates)).toEqual(['0', '1', '2', '3'])
    expect(idsOf(monitor.cluster.endpoints)).toEqual(['0', '1', '2', '3'])
    monitor.cluster.restore(one)
    expect(one.available).toBe(true)
    await coalesced()
    expect(used()).toBe('0123')
  })

  test('stays out until every monitor that ejected it has restored it', async () => {
    const [here, there] = [createPuppet('here'), createPuppet('there')]
    const [one] = (await start(4, { monitors: [here, there] })) as [Endpoint]
    for (const { cluster } of [here, there, here]) cluster.eject(one, { reason: 'test' })
    expect(discovery.statistics().byService.get('orders')?.ejected).toBe(1)
    here.cluster.restore(one)
    here.cluster.restore(one)
    expect(one.available).toBe(false)
    there.cluster.restore(one)
    expect(one.available).toBe(true)
  })

  test('is published to telemetry', async () => {
    const monitor = createPuppet('checks')
    const [one] = (await start(4, { monitors: [monitor] })) as [Endpoint]
    const events: TelemetryEvents['sd:v1:endpoint:ejection'][] = []
    const stop = subscribeTelemetry('sd:v1:endpoint:ejection', (event) => events.push(event))
    monitor.cluster.eject(one, { reason: 'test', forMs: 5 })
    monitor.cluster.restore(one)
    stop()
    const about = { service: 'orders', instanceId: 'orders-0', origin: one.origin, monitor: 'checks' }
    expect(events).toEqual([
      { ...about, ejection: { reason: 'test', forMs: 5 } },
      { ...about, ejection: undefined },
    ])
  })

  test('regains its weight gradually if the monitor restores it with rampMs', async () => {
    const monitor = createPuppet('checks')
    const [one] = (await start(4, { monitors: [monitor], coalesceMs: 0 })) as [Endpoint]
    const weight = (): number => discovery.cluster('orders').view.weights[0] as number
    monitor.cluster.eject(one, { reason: 'test' })
    monitor.cluster.restore(one, { rampMs: 10_000 })
    expect(weight()).toBeCloseTo(0.1)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(weight()).toBeCloseTo(0.5, 1)
    await vi.advanceTimersByTimeAsync(6_000)
    expect(weight()).toBe(1)
    const { epoch } = discovery.cluster('orders').view
    await vi.advanceTimersByTimeAsync(60_000)
    expect(discovery.cluster('orders').view.epoch).toBe(epoch)
    expect(() => monitor.cluster.restore(one, { rampMs: -1 })).toThrow('Invalid rampMs')
    monitor.cluster.eject(one, { reason: 'test' })
    monitor.cluster.restore(one)
    expect(weight()).toBe(1)
  })

  test('loses its ejection when it drains or is removed; unknown endpoints are ignored', async () => {
    const monitor = createPuppet('checks')
    const registration = await registry.register(plainSpec('orders', 9))
    const endpoints = await start(4, { monitors: [monitor] })
    const nine = endpoints.find(({ instance }) => instance.id === 'orders-9') as Endpoint
    monitor.cluster.eject(nine, { reason: 'test' })
    await registration.update({ health: 'draining' })
    await coalesced()
    expect(monitor.update).toHaveBeenCalledTimes(2)
    expect([idsOf(monitor.cluster.endpoints).length, used(), nine.available]).toEqual([4, '0123', true])
    monitor.cluster.eject(nine, { reason: 'test' })
    await registration.update({ health: 'healthy' })
    await coalesced()
    expect(used()).toBe('01239')
    await registration.deregister()
    await coalesced()
    monitor.cluster.eject(nine, { reason: 'test' })
    expect(discovery.statistics().byService.get('orders')?.ejected).toBe(0)
  })
})

describe('monitors', () => {
  test('receive outcomes and list changes, and are closed with the cluster', async () => {
    const monitor = createPuppet('checks')
    const [one] = (await start(1, { monitors: [monitor] })) as [Endpoint]
    one.acquire()
    one.release({ ok: true, latencyMs: 3 })
    expect(monitor.observe).toHaveBeenCalledExactlyOnceWith(one, { ok: true, latencyMs: 3 })
    await discovery.close()
    expect(monitor.close).toHaveBeenCalledOnce()
    monitor.cluster.eject(one, { reason: 'late' })
    expect(one.available).toBe(true)
  })

  test('of a service replace those of all services', async () => {
    const [all, own] = [createPuppet('all'), createPuppet('own')]
    await start(1, { monitors: [all], services: { orders: { monitors: [own] } } })
    discovery.cluster('users')
    expect([all.cluster.service, own.cluster.service]).toEqual(['users', 'orders'])
  })

  test('that throw affect nothing else', async () => {
    const errors: SdError[] = []
    const boom = (): never => {
      throw new TypeError('boom')
    }
    const bad: EndpointMonitor = { name: 'bad', attach: () => ({ observe: boom, update: boom, close: boom }) }
    const good = createPuppet('good')
    const monitors = [{ name: 'worse', attach: boom }, bad, good]
    const [one] = (await start(1, { monitors, onError: (error) => errors.push(error) })) as [Endpoint]
    one.acquire()
    one.release({ ok: true })
    await discovery.close()
    expect([good.observe, good.update, good.close].map(({ mock }) => mock.calls.length)).toEqual([1, 1, 1])
    expect(errors.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'SD_MONITOR_FAILED monitor worse of orders: boom',
      ...Array.from({ length: 3 }, () => 'SD_MONITOR_FAILED monitor bad of orders: boom'),
    ])
  })
})

describe('a panic', () => {
  test('uses all endpoints at once while the healthy share is below the threshold', async () => {
    const monitor = createPuppet('checks')
    const endpoints = await start(5, { monitors: [monitor] })
    const events: TelemetryEvents['sd:v1:cluster:panic'][] = []
    const stop = subscribeTelemetry('sd:v1:cluster:panic', (event) => events.push(event))
    for (const endpoint of endpoints.slice(0, 2)) monitor.cluster.eject(endpoint, { reason: 'test' })
    await coalesced()
    expect([used(), discovery.cluster('orders').explain().isPanic]).toEqual(['234', false])
    monitor.cluster.eject(endpoints[2] as Endpoint, { reason: 'test' })
    expect(endpoints.map(({ available }) => available)).toEqual(new Array(5).fill(true))
    await coalesced()
    expect(used()).toBe('01234')
    expect(clusterStates()).toMatchObject([
      { kind: 'cluster', service: 'orders', isPanic: true, ejected: 3, outBy: { ejected: 3 }, eligible: 5 },
    ])
    monitor.cluster.restore(endpoints[0] as Endpoint)
    expect(endpoints.map(({ available }) => available)).toEqual([true, false, false, true, true])
    await coalesced()
    expect(used()).toBe('034')
    stop()
    expect(events).toEqual([
      { service: 'orders', isPanic: true, healthyShare: 0.4 },
      { service: 'orders', isPanic: false, healthyShare: 0.6 },
    ])
  })

  test.each([
    ['1 of 1', ['unhealthy'], '0'],
    ['1 of 2', ['unhealthy', 'healthy'], '1'],
    ['2 of 3', ['unhealthy', 'unknown', 'unhealthy'], '012'],
    ['all', ['unhealthy', 'unhealthy'], '01'],
    ['all that do not drain', ['unhealthy', 'draining', 'draining'], '12'],
  ] as const)('with %s unhealthy by their own word', async (_, statuses, expected) => {
    for (const [index, health] of statuses.entries()) await registry.register({ ...plainSpec('orders', index), health })
    await start(0, {})
    expect(used()).toBe(expected)
  })

  test('begins and ends with the snapshot, and never happens with a threshold of 0', async () => {
    for (const service of ['orders', 'calm']) await registry.register({ ...plainSpec(service, 1), health: 'unhealthy' })
    await start(0, {})
    expect(used()).toBe('1')
    await registry.register(plainSpec('orders', 2))
    await coalesced()
    expect(used()).toBe('2')
    await discovery.close()
    await start(0, { panicThreshold: 0 })
    const calm = discovery.cluster('calm')
    await calm.ready()
    expect([calm.view.endpoints, idsOf(calm.view.candidates)]).toEqual([[], ['1']])
  })

  test('keeps the priority that still has a healthy endpoint', async () => {
    for (const [index, priority] of [0, 0, 0, 1, 1].entries()) {
      const health = index === 4 ? 'healthy' : 'unhealthy'
      await registry.register({ ...plainSpec('orders', index), priority, health })
    }
    await start(0, {})
    expect(used()).toBe('34')
    expect(idsOf(discovery.cluster('orders').view.candidates)).toEqual(['3', '4'])
    await registry.register({ ...plainSpec('orders', 5), priority: 1 })
    await registry.register({ ...plainSpec('orders', 6), priority: 1 })
    await coalesced()
    expect([used(), discovery.cluster('orders').explain().isPanic]).toEqual(['3456', true])
    await registry.register({ ...plainSpec('orders', 7), priority: 1 })
    await coalesced()
    expect([used(), discovery.cluster('orders').explain().isPanic]).toEqual(['4567', false])
    expect(idsOf(discovery.cluster('orders').view.candidates)).toEqual(['3', '4', '5', '6', '7'])
  })
})

test('reports states, including health, until Discovery is closed', async () => {
  await registry.register({ ...plainSpec('orders', 7), health: 'draining' })
  await start(2, {})
  await discovery.discover('orders')
  expect(clusterStates()).toEqual([
    {
      kind: 'cluster',
      service: 'orders',
      instances: { healthy: 2, unhealthy: 0, draining: 1, unknown: 0 },
      eligible: 2,
      ejected: 0,
      out: 0,
      outBy: {},
      isPanic: false,
      held: 0,
      staleForMs: 0,
      startedAt: expect.any(Number),
      hits: 1,
      misses: 1,
      updates: 1,
    },
  ])
  await discovery.close()
  expect(clusterStates()).toEqual([])
})
