import type { Balancer } from '@sd/core'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { createSeededRandom, plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createDiscovery, type Discovery, type DiscoveryOptions } from './index.ts'

let registry: MemoryRegistry
let discovery: Discovery | undefined
beforeEach(() => {
  vi.useFakeTimers()
  registry = createMemoryRegistry()
})
afterEach(async () => {
  await discovery?.close()
  await registry.close()
  vi.useRealTimers()
})

async function start(options: Partial<DiscoveryOptions>): Promise<Discovery> {
  discovery = createDiscovery({ source: registry, coalesceMs: 0, ...options })
  await discovery.discover('orders')
  // An instance that appears in the same instant as the first list would not be new.
  await vi.advanceTimersByTimeAsync(1)
  return discovery
}

/** Registers orders-3 beside others, and returns its effective weight after each of these times in milliseconds. */
async function weightsAfter(options: Partial<DiscoveryOptions>, times: readonly number[], weight = 1): Promise<number[]> {
  const started = await start(options)
  await registry.register({ ...plainSpec('orders', 3), weight })
  const weights: number[] = []
  let passed = 0
  for (const time of times) {
    await vi.advanceTimersByTimeAsync(time - passed)
    passed = time
    const { view } = started.cluster('orders')
    weights.push(view.weights[view.endpoints.findIndex(({ instance }) => instance.id === 'orders-3')] as number)
    const explained = started
      .cluster('orders')
      .explain()
      .endpoints.find(({ endpoint }) => endpoint.instance.id === 'orders-3')
    expect(explained?.weight).toBe(weights.at(-1))
  }
  return weights
}

function expectClose(weights: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(weights).toHaveLength(expected.length)
  for (const [index, weight] of weights.entries()) {
    expect(Math.abs(weight - (expected[index] as number))).toBeLessThanOrEqual(tolerance)
  }
}

const byWeight: Balancer = {
  name: 'by-weight',
  createPicker({ endpoints, weights }) {
    const random = createSeededRandom(1)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return {
      pick() {
        let left = random() * total
        return endpoints.find((_, index) => {
          left -= weights[index] as number
          return left < 0
        })
      },
    }
  },
}

describe('slow start', () => {
  beforeEach(async () => {
    await registry.register(plainSpec('orders', 1))
    await registry.register(plainSpec('orders', 2))
  })

  test('after half of a window of 60 s a new host gets half of a peer’s picks', async () => {
    const started = await start({ slowStartMs: 60_000 })
    const balanced = started.cluster('orders').attach(byWeight)
    expect([...started.cluster('orders').view.weights], 'the first list is not new').toEqual([1, 1])
    await registry.register(plainSpec('orders', 3))
    await vi.advanceTimersByTimeAsync(30_000)
    const counts = new Map<string, number>()
    for (let index = 0; index < 30_000; index++) {
      const id = balanced.pick({})?.instance.id ?? ''
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    const peers = ((counts.get('orders-1') ?? 0) + (counts.get('orders-2') ?? 0)) / 2
    const share = (counts.get('orders-3') ?? 0) / peers
    expect(share).toBeGreaterThanOrEqual(0.45)
    expect(share).toBeLessThanOrEqual(0.55)
  })

  test('grows linearly from 10 % to 100 % of any weight', async () => {
    const weights = await weightsAfter({ slowStartMs: 60_000 }, [10, 15_000, 45_000, 61_500, 90_000], 4)
    expectClose(weights, [0.4, 1, 3, 4, 4], 0.1)
    expect(weights[4]).toBe(4)
  })

  test('builds a view each hundredth of the window, and none afterwards or after close', async () => {
    const started = await start({ slowStartMs: 60_000 })
    const cluster = started.cluster('orders')
    const countViews = async (waitMs: number): Promise<number> => {
      const { epoch } = cluster.view
      await vi.advanceTimersByTimeAsync(waitMs)
      return cluster.view.epoch - epoch
    }
    const registration = await registry.register(plainSpec('orders', 3))
    for (const tag of ['a', 'b', 'c']) {
      await registration.update({ tags: [tag] })
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(await countViews(20_000)).toBe(33)
    await vi.advanceTimersByTimeAsync(45_000)
    expect(await countViews(60_000)).toBe(0)
    await registry.register(plainSpec('orders', 4))
    await vi.advanceTimersByTimeAsync(10)
    await started.close()
    expect(await countViews(10_000)).toBe(0)
  })

  test('grows faster at first with a higher aggression', async () => {
    const weights = await weightsAfter({ slowStartMs: 10_000, slowStartAggression: 2 }, [2_500, 5_000, 12_000])
    expectClose(weights, [0.5, Math.SQRT1_2, 1], 0.02)
  })

  test('is off by default', async () => {
    expect(await weightsAfter({}, [10])).toEqual([1])
  })

  test('does not restart when an instance changes, and applies to `discoverOne`', async () => {
    const started = await start({ slowStartMs: 1_000 })
    const registration = await registry.register(plainSpec('orders', 3))
    await vi.advanceTimersByTimeAsync(2_000)
    await registration.update({ tags: ['changed'] })
    await vi.advanceTimersByTimeAsync(10)
    expect([...started.cluster('orders').view.weights]).toEqual([1, 1, 1])
    await registry.register({ ...plainSpec('orders', 4), weight: 1_000 })
    await vi.advanceTimersByTimeAsync(10)
    vi.spyOn(Math, 'random').mockReturnValue(0.1)
    expect((await started.discoverOne('orders')).id).toBe('orders-4')
    vi.spyOn(Math, 'random').mockReturnValue(0.02)
    expect((await started.discoverOne('orders')).id, '3 of 103, not of 1,003').toBe('orders-3')
    vi.restoreAllMocks()
  })

  test('rejects invalid options', () => {
    expect(() => createDiscovery({ source: registry, slowStartMs: -1 })).toThrow('Invalid slowStartMs')
    expect(() => createDiscovery({ source: registry, slowStartAggression: 0 })).toThrow('Invalid slowStartAggression')
  })
})
