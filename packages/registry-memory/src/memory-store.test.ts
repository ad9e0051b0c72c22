import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createMemoryRegistry, createMemoryStore, type MemoryRegistry, type MemoryStore } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A registry per instance, so that each connection can be cut separately. */
async function registerEach(store: MemoryStore, count: number): Promise<readonly MemoryRegistry[]> {
  const registries = Array.from({ length: count }, () => createMemoryRegistry({ store, ttlMs: 3_000 }))
  await Promise.all(registries.map((registry, index) => registry.register(plainSpec('orders', index))))
  return registries
}

describe('leases', () => {
  test('expire without renewal, and the timer runs only while there are leases', async () => {
    const store = createMemoryStore()
    const [registry] = await registerEach(store, 1)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(store.list('orders').instances).toHaveLength(1)
    registry?.setConnected(false)
    await vi.advanceTimersByTimeAsync(3_600)
    expect(store.list('orders').instances).toEqual([])
    registry?.setConnected(true)
    await registry?.close()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('start again after the store was unavailable: holders could not renew them', async () => {
    const store = createMemoryStore()
    const registries = await registerEach(store, 3)
    store.setAvailable(false)
    store.setAvailable(false)
    await vi.advanceTimersByTimeAsync(60_000)
    store.setAvailable(true)
    await vi.advanceTimersByTimeAsync(600)
    expect(store.list('orders').instances).toHaveLength(3)
    await Promise.all(registries.map((registry) => registry.close()))
  })

  test('of a cleared store are registered again by their owners', async () => {
    const store = createMemoryStore()
    const [registry] = await registerEach(store, 1)
    store.clear()
    expect(store.listServices()).toEqual([])
    await vi.advanceTimersByTimeAsync(1_500)
    expect(store.listServices()).toEqual(['orders'])
    await registry?.close()
  })
})

describe('self-preservation', () => {
  async function loseSome(count: number, threshold: number): Promise<{ store: MemoryStore; left: () => number }> {
    const store = createMemoryStore({ selfPreservationThreshold: threshold })
    const registries = await registerEach(store, 10)
    await vi.advanceTimersByTimeAsync(5_000)
    for (const registry of registries.slice(0, count)) registry.setConnected(false)
    await vi.advanceTimersByTimeAsync(10_000)
    return { store, left: () => store.list('orders').instances.length }
  }

  test('keeps all leases if many are late at once', async () => {
    const { store, left } = await loseSome(6, 0.85)
    expect([left(), store.selfPreserving]).toEqual([10, true])
  })

  test('lets a single lease expire', async () => {
    const { store, left } = await loseSome(1, 0.85)
    expect([left(), store.selfPreserving]).toEqual([9, false])
  })

  test('is off by default', async () => {
    const { store, left } = await loseSome(6, 0)
    expect([left(), store.selfPreserving]).toEqual([4, false])
  })
})

test('the state of a registry follows its store and its connection, and is published without a watch', async () => {
  const events: TelemetryEvents['sd:v1:backend:state'][] = []
  const stop = subscribeTelemetry('sd:v1:backend:state', (event) => events.push(event))
  const registry = createMemoryRegistry({ name: 'mine' })
  registry.store.setAvailable(false)
  registry.setConnected(false)
  registry.store.setAvailable(true)
  expect(registry.state).toBe('disconnected')
  registry.setConnected(true)
  await registry.close()
  stop()
  expect(events.map(({ backend: name, state }) => [name, state])).toEqual([
    ['mine', 'disconnected'],
    ['mine', 'connected'],
    ['mine', 'closed'],
  ])
})

test('a change is reported to the listeners of its service only', () => {
  const store = createMemoryStore()
  const called: string[] = []
  store.onChange('orders', () => called.push('orders'))
  const stop = store.onChange('users', () => called.push('users'))
  const stopSet = store.onChange(undefined, () => called.push('set'))
  const registry = createMemoryRegistry({ store })
  store.put({ ...plainSpec('orders', 1), ttlMs: 1_000 } as never, 'x')
  expect(called).toEqual(['orders', 'set'])
  store.put({ ...plainSpec('orders', 2), ttlMs: 1_000 } as never, 'x')
  expect(called).toEqual(['orders', 'set', 'orders'])
  stop()
  stopSet()
  expect([store.remove('users', 'x'), store.remove('orders', 'orders-1', 'y'), store.remove('orders', 'orders-1', 'x')]).toEqual([
    false,
    false,
    true,
  ])
  return registry.close()
})

test('invalid options are refused', () => {
  expect(() => createMemoryRegistry({ ttlMs: 1 })).toThrow('Invalid ttlMs')
  expect(() => createMemoryRegistry({ store: 1 as never })).toThrow('Invalid store')
  expect(() => createMemoryRegistry({ ttl: 1 } as never)).toThrow('Invalid ttl: unknown field')
  expect(() => createMemoryStore({ selfPreservationThreshold: 2 })).toThrow('Invalid selfPreservationThreshold')
})
