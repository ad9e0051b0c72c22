import { getEventListeners } from 'node:events'
import type { EndpointMonitor } from '@sd/core'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { byTags, createDiscovery, type Discovery } from './index.ts'

let registry: MemoryRegistry
let discovery: Discovery
beforeEach(async () => {
  vi.useFakeTimers()
  registry = createMemoryRegistry()
  for (let index = 0; index < 4; index++)
    await registry.register({ ...plainSpec('orders', index), tags: [index < 2 ? 'a' : 'b'] })
})
afterEach(async () => {
  await discovery.close()
  await registry.close()
  vi.useRealTimers()
})

async function start(options: object = {}): Promise<void> {
  discovery = createDiscovery({ source: registry, coalesceMs: 0, ...options })
  await discovery.cluster('orders').ready()
}

const used = (): string =>
  discovery
    .cluster('orders')
    .view.endpoints.map(({ instance }) => instance.id.slice(-1))
    .join('')

function createMonitor(name: string) {
  const close = vi.fn()
  const attach = vi.fn<EndpointMonitor['attach']>(() => ({ close }))
  return {
    name,
    attach,
    close,
    eject: (index: number) => cluster().eject(cluster().endpoints[index] as never, { reason: 'test' }),
  }
  function cluster() {
    return attach.mock.calls[0]?.[0] as Parameters<EndpointMonitor['attach']>[0]
  }
}

describe('configure', () => {
  test('changes filters, subsets and weights at once, and keeps endpoints with their load', async () => {
    await start()
    const [one] = discovery.cluster('orders').view.endpoints
    one?.acquire()
    discovery.configure({ services: { orders: { filter: byTags('a') } } })
    expect(used()).toBe('01')
    expect(discovery.cluster('orders').view.endpoints[0]).toBe(one)
    discovery.configure({ subset: { size: 3 } })
    expect(used()).toHaveLength(3)
    const before = used()
    discovery.configure({ subset: { size: 3 }, coalesceMs: 0 })
    expect(used()).toBe(before)
    discovery.configure({})
    expect([used(), one?.active]).toEqual(['0123', 1])
    for (const endpoint of discovery.cluster('orders').view.endpoints.slice(1)) endpoint.block('test')
    expect(discovery.cluster('orders').explain().isPanic).toBe(true)
    discovery.configure({ panicThreshold: 0.1 })
    expect([discovery.cluster('orders').explain().isPanic, used()]).toEqual([false, '0'])
  })

  test('keeps listed monitors and their ejections, and ends the other monitors and theirs', async () => {
    const [kept, dropped, added] = [createMonitor('kept'), createMonitor('dropped'), createMonitor('added')]
    await start({ monitors: [kept, dropped] })
    kept.eject(0)
    dropped.eject(1)
    expect(used()).toBe('23')
    discovery.configure({ coalesceMs: 0, monitors: [kept, added] })
    expect(used()).toBe('123')
    expect([kept, dropped, added].map(({ attach, close }) => [attach.mock.calls.length, close.mock.calls.length])).toEqual([
      [1, 0],
      [1, 1],
      [1, 0],
    ])
    dropped.eject(2)
    expect(used()).toBe('123')
  })

  test('applies other numbers of failure accrual to the failures that follow', async () => {
    await start({ failureAccrual: { maxFailures: 5 } })
    const [one] = discovery.cluster('orders').view.endpoints
    const fail = (): void => {
      one?.acquire()
      one?.release({ ok: false, sent: true, status: 500, startedAt: performance.now(), latencyMs: 1 })
    }
    fail()
    fail()
    expect(used()).toBe('0123')
    discovery.configure({ coalesceMs: 0, failureAccrual: { maxFailures: 3 } })
    fail()
    expect(used()).toBe('123')
  })

  test('disables failure accrual, which ends its penalties, and enables it again', async () => {
    await start()
    const [one] = discovery.cluster('orders').view.endpoints
    const fail = (): void => {
      one?.acquire()
      one?.release({ ok: false, sent: false, error: new Error('refused') })
    }
    fail()
    expect(used()).toBe('123')
    discovery.configure({ coalesceMs: 0, failureAccrual: false })
    fail()
    expect(used()).toBe('0123')
    discovery.configure({ coalesceMs: 0, failureAccrual: { minPenaltyMs: 100 } })
    fail()
    expect(used()).toBe('123')
  })

  test('applies another idle time to services in use, and to later ones', async () => {
    await start({ idleMs: 600_000 })
    const followed = (): string => [...discovery.statistics().byService.keys()].join(' ')
    const timers = vi.getTimerCount()
    discovery.configure({ idleMs: 5_000 })
    expect(vi.getTimerCount()).toBe(timers)
    await vi.advanceTimersByTimeAsync(4_000)
    expect(followed()).toBe('orders')
    await vi.advanceTimersByTimeAsync(4_000)
    expect(followed()).toBe('')
    await discovery.cluster('orders').ready()
    await vi.advanceTimersByTimeAsync(8_000)
    expect(followed()).toBe('')
  })

  test.each([
    ['a wrong value', { idleMs: -1 }, 'Invalid idleMs'],
    ['a wrong value of a service', { services: { orders: { filter: 1 } } }, 'Invalid services.orders.filter'],
    ['an unknown key', { panic: 1 }, 'Invalid panic: unknown field'],
    ['the source', { source: {} }, 'Invalid source: unknown field'],
  ])('refuses %s, and nothing has changed', async (_, settings, message) => {
    await start({ services: { orders: { filter: byTags('a') } } })
    expect(() => discovery.configure({ subset: { size: 1 }, ...settings } as never)).toThrow(message)
    expect(used()).toBe('01')
  })

  test('is rejected after close', async () => {
    await start()
    await discovery.close()
    expect(() => discovery.configure({})).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
  })
})

test('close waits two seconds for a source that ignores its signal', async () => {
  const silent = {
    getInstances: vi.fn(),
    watch: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
  }
  discovery = createDiscovery({ source: silent })
  discovery.cluster('orders')
  let isClosed = false
  const closing = discovery.close().then(() => {
    isClosed = true
  })
  await vi.advanceTimersByTimeAsync(1_999)
  expect(isClosed).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  await closing
})

test('no listener is left on the caller’s signal', async () => {
  await start()
  const { signal } = new AbortController()
  for await (const _ of discovery.watch('orders', { signal })) break
  await discovery.discover('orders', { signal })
  const waiting = discovery.discover('other', { signal })
  await waiting
  await discovery.refresh('orders', { signal })
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('instances of weight 0 are not part of the share that is in', async () => {
  await registry.register({ ...plainSpec('few', 1), weight: 0 })
  await registry.register(plainSpec('few', 2))
  await start()
  const few = discovery.cluster('few')
  await few.ready()
  few.view.endpoints[1]?.block('breaker', { reason: 'breaker' })
  expect([few.explain().isPanic, few.view.endpoints[1]?.available]).toEqual([true, true])
})
