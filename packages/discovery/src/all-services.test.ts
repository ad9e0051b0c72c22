import { getEventListeners } from 'node:events'
import { createServiceInstance, type Registry, SdError } from '@sd/core'
import { createMemoryRegistry, createMemoryStore } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type AllServicesEvent, createDiscovery, type Discovery, type InstanceSource } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const pass = (durationMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(durationMs)

interface Recording {
  readonly events: readonly AllServicesEvent[]
  /** The services of the last event with their ids, followed by `!` if it is stale. */
  readonly last: string
  readonly failed: unknown
}

function record(discovery: Discovery, signal?: AbortSignal): Recording {
  const events: AllServicesEvent[] = []
  let failed: unknown
  void (async () => {
    for await (const event of discovery.watchAll({ ...(signal && { signal }) })) events.push(event)
  })().catch((error: unknown) => {
    failed = error
  })
  return {
    events,
    get last() {
      const event = events.at(-1)
      const services = [...(event?.services ?? [])].map(([name, { instances }]) => `${name}=${instances.map(({ id }) => id)}`)
      return services.join(' ') + (event?.stale ? '!' : '')
    },
    get failed() {
      return failed
    },
  }
}

/** The same registry without `watchAll`. */
function without(registry: Registry): InstanceSource {
  const { watch, watchServices, getInstances } = registry
  return { watch, watchServices, getInstances }
}

function setUp(kind: string) {
  const store = createMemoryStore()
  const registry = createMemoryRegistry({ store })
  const discovery = createDiscovery({ source: kind === 'one stream' ? registry : without(registry) })
  const put = (service: string, index: number, weight: number = 1): void =>
    store.put(createServiceInstance({ ...plainSpec(service, index), weight }), '1')
  async function close(): Promise<void> {
    await Promise.all([discovery.close(), registry.close()])
    for (const service of store.listServices()) {
      for (const { id } of store.list(service).instances) store.remove(service, id)
    }
    await pass(1_000)
  }
  return { store, registry, discovery, put, close }
}

describe.each(['one stream', 'service by service'])('all services over %s', (kind) => {
  test('report added and removed services with their changes', async () => {
    const { store, discovery, put, close } = setUp(kind)
    put('users', 1)
    put('orders', 1)
    const recording = record(discovery)
    await pass(10)
    expect(recording.last).toBe('orders=orders-1 users=users-1')
    expect([...(recording.events[0]?.changes.keys() ?? [])]).toEqual(['orders', 'users'])
    const before = recording.events.at(-1)
    put('orders', 2)
    await pass(10)
    expect(recording.last).toBe('orders=orders-1,orders-2 users=users-1')
    const after = recording.events.at(-1)
    expect([...(after?.changes ?? [])].map(([name, { added }]) => [name, added.map(({ id }) => id)])).toEqual([
      ['orders', ['orders-2']],
    ])
    expect(after?.services.get('users')).toBe(before?.services.get('users'))
    store.remove('users', 'users-1')
    await pass(10)
    expect(recording.last).toBe('orders=orders-1,orders-2')
    expect(
      recording.events
        .at(-1)
        ?.changes.get('users')
        ?.removed.map(({ id }) => id),
    ).toEqual(['users-1'])
    put('carts', 1)
    await pass(10)
    expect(recording.last).toBe('carts=carts-1 orders=orders-1,orders-2')
    await close()
  })

  test('stay in effect, stale, while the source is unreachable, and are updated afterwards', async () => {
    const { registry, discovery, put, close } = setUp(kind)
    put('orders', 1)
    const recording = record(discovery)
    await pass(10)
    registry.setConnected(false)
    await pass(10)
    expect(recording.last).toBe('orders=orders-1!')
    expect(recording.events.at(-1)?.changes.size).toBe(0)
    put('users', 1)
    registry.setConnected(true)
    await pass(3_000)
    expect(recording.last).toBe('orders=orders-1 users=users-1')
    await close()
  })

  test('a slow reader gets only the latest state, with all changes since its last read', async () => {
    const { discovery, put, close } = setUp(kind)
    put('orders', 1)
    const reader = discovery.watchAll()[Symbol.asyncIterator]()
    await Promise.all([reader.next(), pass(10)])
    for (let index = 2; index <= 20; index++) put('orders', index)
    put('users', 1)
    await pass(10)
    const { value } = await reader.next()
    expect([value.services.get('orders').instances.length, value.changes.get('orders').added.length]).toEqual([20, 19])
    await reader.return?.()
    expect(await reader.next()).toEqual({ done: true, value: undefined })
    await close()
  })

  test('end on abort, on break and on close, and leave no listener', async () => {
    const { discovery, put, close } = setUp(kind)
    put('orders', 1)
    const controller = new AbortController()
    const recording = record(discovery, controller.signal)
    const other = discovery.watchAll()[Symbol.asyncIterator]()
    await Promise.all([other.next(), pass(10)])
    controller.abort()
    put('orders', 2)
    await pass(10)
    expect(recording.last).toBe('orders=orders-1')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    const pending = other.next().then(() => other.next())
    await close()
    expect((await pending).done).toBe(true)
    expect(() => discovery.watchAll()[Symbol.asyncIterator]()).toThrow('discovery is closed')
    const late = discovery.watchAll({ signal: AbortSignal.abort() })
    expect(() => late[Symbol.asyncIterator]()).toThrow('discovery is closed')
  })
})

test('a service that may not be read does not hide the others and is reported', async () => {
  const { registry, put, close } = setUp('one stream')
  const source = without(registry)
  const denied = new SdError('SD_DENIED', 'users is secret')
  const watch: InstanceSource['watch'] = (service, options) => {
    if (service !== 'users') return registry.watch(service, options)
    return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(denied) }) }
  }
  const discovery = createDiscovery({ source: { ...source, watch } })
  put('users', 1)
  put('orders', 1)
  const recording = record(discovery)
  await pass(10)
  expect(recording.last).toBe('orders=orders-1!')
  expect(recording.events.at(-1)?.stale?.error).toBe(denied)
  await discovery.close()
  await close()
})

test('rejects a source without service names, and more services than maxServices', async () => {
  const { registry, put, close } = setUp('one stream')
  const { getInstances, watch } = registry
  const nameless = createDiscovery({ source: { getInstances, watch } })
  await expect(nameless.watchAll()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
  put('orders', 1)
  put('users', 1)
  const small = createDiscovery({ source: without(registry), maxServices: 1 })
  const refused = expect(small.watchAll()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
  await pass(10)
  await refused
  await Promise.all([nameless.close(), small.close()])
  await close()
})
