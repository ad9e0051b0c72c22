import { createTestEndpoints } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createHealthMonitor, type HealthCheck, type HealthMonitorOptions } from './index.ts'
import { createTestCluster } from './testing/clusters.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A check of instances that fail while their id is in `failing`. Records the times of its runs by instance. */
function createCheck() {
  const failing = new Set<string>()
  const runs: [string, number][] = []
  const check: HealthCheck = {
    name: 'ping',
    async run({ id }) {
      runs.push([id, Date.now() - startedAt])
      if (failing.has(id)) throw new Error('down')
      return undefined
    },
  }
  const startedAt = Date.now()
  return { check, failing, runs, timesOf: (id: string) => runs.filter(([run]) => run === id).map(([, at]) => at) }
}

/**
 * A monitor on a cluster of `count` endpoints. Without jitter, checks run at 500 ms first, then every 10 s, or every 1 s
 * while the status may change.
 */
function attach(options: Omit<HealthMonitorOptions, 'check'> = {}, count = 2, own = createCheck()) {
  const endpoints = createTestEndpoints(Array.from({ length: count }, () => 1))
  const cluster = createTestCluster(endpoints)
  const attached = createHealthMonitor({ check: own.check, random: () => 0.5, ...options }).attach(cluster)
  onTestFinished(() => attached.close())
  return { ...own, cluster, endpoints, attached }
}

describe('an endpoint', () => {
  test('is ejected after three failures in a row, and restored after two successes', async () => {
    const { failing, cluster, timesOf } = attach({ rampMs: 5_000 })
    await vi.advanceTimersByTimeAsync(5_000)
    failing.add('orders-1')
    await vi.advanceTimersByTimeAsync(7_000)
    expect(cluster.log).toEqual(['restore orders-0 in 5000 ms', 'restore orders-1 in 5000 ms'])
    cluster.log.length = 0
    await vi.advanceTimersByTimeAsync(1_000)
    expect(cluster.log).toEqual(['eject orders-1: ping'])
    expect(timesOf('orders-0')).toEqual([500, 10_500])
    expect(timesOf('orders-1')).toEqual([500, 10_500, 11_500, 12_500])

    failing.clear()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(cluster.log).toEqual(['eject orders-1: ping'])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(cluster.log).toEqual(['eject orders-1: ping', 'restore orders-1 in 5000 ms'])
  })

  test('that is new is used until it has failed', async () => {
    const { failing, cluster } = attach({ fall: 2 }, 1)
    failing.add('orders-0')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(cluster.log).toEqual([])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(cluster.log).toEqual(['eject orders-0: ping'])
  })

  test('that is new gets traffic only after its first success with newEndpoints: eject', async () => {
    const { cluster } = attach({ newEndpoints: 'eject' }, 1)
    expect(cluster.log).toEqual(['eject orders-0: ping'])
    await vi.advanceTimersByTimeAsync(500)
    expect(cluster.log.at(-1)).toBe('restore orders-0 in 0 ms')
  })

  test('that leaves is no longer checked, and a new one is', async () => {
    const { cluster, endpoints, attached, timesOf } = attach({}, 3)
    const [first, second, third] = endpoints
    if (!(first && second && third)) throw new Error('want three endpoints')
    cluster.endpoints = [first, second]
    attached.update?.()
    await vi.advanceTimersByTimeAsync(1_000)
    cluster.endpoints = [second, third]
    attached.update?.()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(timesOf('orders-0')).toEqual([500])
    expect(timesOf('orders-1')).toEqual([500, 10_500, 20_500])
    expect(timesOf('orders-2')).toEqual([1_500, 11_500])
  })
})

test('close stops all checks, and aborts a check in progress', async () => {
  const signals: AbortSignal[] = []
  const check: HealthCheck = {
    name: 'hang',
    run: (_, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    },
  }
  const cluster = createTestCluster(createTestEndpoints([1]))
  const attached = createHealthMonitor({ check, random: () => 0.5 }).attach(cluster)
  await vi.advanceTimersByTimeAsync(600)
  attached.close()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  expect(cluster.log).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test('at most maxConcurrent checks run at the same time, over all clusters', async () => {
  let running = 0
  let most = 0
  let ended = 0
  const check: HealthCheck = {
    name: 'slow',
    async run() {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 100))
      running--
      ended++
      return undefined
    },
  }
  const monitor = createHealthMonitor({ check, maxConcurrent: 3, random: () => 0 })
  for (const _ of ['orders', 'carts']) {
    const attached = monitor.attach(createTestCluster(createTestEndpoints([1, 1, 1, 1, 1])))
    onTestFinished(() => attached.close())
  }
  await vi.advanceTimersByTimeAsync(400)
  expect([most, ended]).toEqual([3, 10])
})

test('checks of many endpoints are spread by jitter', async () => {
  const { runs } = attach({ random: Math.random }, 200)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(new Set(runs.map(([, at]) => at)).size).toBeGreaterThan(50)
  runs.length = 0
  await vi.advanceTimersByTimeAsync(8_000)
  expect(runs).toEqual([])
  await vi.advanceTimersByTimeAsync(4_000)
  expect(runs).toHaveLength(200)
})

test('the default name is derived from the check', () => {
  const { check } = createCheck()
  expect(createHealthMonitor({ check }).name).toBe('health-ping')
  expect(createHealthMonitor({ check, name: 'mine' }).name).toBe('mine')
})

test.each([
  ['check', { check: undefined }],
  ['check.name', { check: { name: '', run: async () => undefined } }],
  ['check.run', { check: { name: 'a' } }],
  ['intervalMs', { intervalMs: 0 }],
  ['fastIntervalMs', { fastIntervalMs: 0.5 }],
  ['timeoutMs', { timeoutMs: 0 }],
  ['jitter', { jitter: 1.1 }],
  ['rise', { rise: 0 }],
  ['fall', { fall: 0 }],
  ['maxConcurrent', { maxConcurrent: 0 }],
  ['random', { random: 1 }],
  ['newEndpoints', { newEndpoints: 'skip' }],
  ['rampMs', { rampMs: -1 }],
  ['interval', { interval: 1 }],
])('a bad %s is refused', (field, options) => {
  const all = { check: createCheck().check, ...options } as HealthMonitorOptions
  expect(() => createHealthMonitor(all)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})
