import { type Cluster, SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { createSeededRandom, eventually, plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  byHealth,
  byTags,
  createDiscovery,
  type Discovery,
  type DiscoveryEvent,
  type DiscoveryOptions,
  type InstanceSource,
} from './index.ts'

let registry: MemoryRegistry
const open: Discovery[] = []
beforeEach(() => {
  registry = createMemoryRegistry()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((discovery) => discovery.close()))
  await registry.close()
})

function discover(options: Partial<DiscoveryOptions> = {}): Discovery {
  const discovery = createDiscovery({ source: registry, coalesceMs: 10, ...options })
  open.push(discovery)
  return discovery
}

const first = { name: 'first', createPicker: ({ endpoints }: { endpoints: readonly never[] }) => ({ pick: () => endpoints[0] }) }

async function ids(discovery: Discovery, service: string = 'orders'): Promise<readonly string[]> {
  return (await discovery.discover(service)).instances.map(({ id }) => id)
}

describe('lookups', () => {
  test('find registered instances, filtered by the service and by the call', async () => {
    await registry.register({ ...plainSpec('orders', 1), tags: ['eu', 'blue'] })
    await registry.register({ ...plainSpec('orders', 2), tags: ['eu'] })
    await registry.register({ ...plainSpec('orders', 3), tags: ['us', 'blue'] })
    const discovery = discover({ services: { orders: { filter: byTags('eu') } } })
    expect(await ids(discovery)).toEqual(['orders-1', 'orders-2'])
    const { instances } = await discovery.discover('orders', { filter: byTags('blue') })
    expect(instances.map(({ id }) => id)).toEqual(['orders-1'])
    expect((await discovery.discoverOne('orders', { filter: byTags('blue') })).id).toBe('orders-1')
    await expect(discovery.discoverOne('orders', { filter: byTags('none') })).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    expect(await ids(discovery, 'nobody')).toEqual([])
  })

  test('a view has the weighted healthy and unknown instances of the best priority; lookups show all', async () => {
    await registry.register({ ...plainSpec('orders', 1), priority: 2, weight: 5 })
    await registry.register({ ...plainSpec('orders', 2), priority: 1, weight: 3 })
    await registry.register({ ...plainSpec('orders', 3), priority: 1, weight: 0, health: 'unknown' })
    const unhealthy = await registry.register({ ...plainSpec('orders', 4), priority: 0, health: 'unhealthy' })
    await registry.register({ ...plainSpec('orders', 5), priority: 0, health: 'draining' })
    const discovery = discover()
    expect(await ids(discovery)).toHaveLength(5)
    expect((await discovery.discover('orders', { filter: byHealth('unhealthy') })).instances).toHaveLength(1)
    const cluster = discovery.cluster('orders')
    expect(cluster.view.endpoints.map(({ instance }) => instance.id)).toEqual(['orders-2', 'orders-3'])
    expect([...cluster.view.weights]).toEqual([3, 0])
    expect((await discovery.discoverOne('orders')).id).toBe('orders-2')
    await unhealthy.update({ health: 'healthy' })
    await eventually(() => expect(cluster.view.endpoints.map(({ instance }) => instance.id)).toEqual(['orders-4']), 1_000)
  })

  test('discoverOne draws at random by weight', async () => {
    await registry.register({ ...plainSpec('orders', 1), weight: 3 })
    await registry.register({ ...plainSpec('orders', 2), weight: 1 })
    const discovery = discover()
    const random = vi.spyOn(Math, 'random').mockImplementation(createSeededRandom(1))
    let heavy = 0
    for (let index = 0; index < 1_000; index++) if ((await discovery.discoverOne('orders')).id === 'orders-1') heavy++
    random.mockRestore()
    expect(heavy).toBeGreaterThan(700)
    expect(heavy).toBeLessThan(800)
  })

  test('all users of a service share one watch', async () => {
    const watch = vi.spyOn(registry, 'watch')
    const discovery = discover()
    await Promise.all(Array.from({ length: 20 }, () => discovery.discover('orders')))
    expect(watch).toHaveBeenCalledOnce()
    expect(discovery.statistics()).toMatchObject({ hits: 0, misses: 20, services: 1 })
    await discovery.discover('orders')
    expect(discovery.statistics()).toMatchObject({ hits: 1, misses: 20, updates: 1 })
    expect(discovery.statistics().byService.get('orders')).toEqual({
      hits: 1,
      misses: 20,
      updates: 1,
      instances: 0,
      eligible: 0,
      ejected: 0,
      out: 0,
      outBy: {},
      isPanic: false,
      held: 0,
      staleForMs: 0,
    })
  })
})

describe('changes', () => {
  test('of a burst are applied together, the first at once', async () => {
    const discovery = discover({ coalesceMs: 50 })
    const cluster = discovery.cluster('orders')
    await cluster.ready()
    const { epoch } = cluster.view
    for (let index = 0; index < 20; index++) await registry.register(plainSpec('orders', index))
    // Nothing could be picked before, so the first change can't wait.
    expect([cluster.view.epoch, cluster.view.endpoints.length]).toEqual([epoch + 1, 1])
    await eventually(() => expect(cluster.view.endpoints).toHaveLength(20), 1_000)
    expect(cluster.view.epoch).toBe(epoch + 2)
  })

  test('exclude removed endpoints from picks at once, and keep the load and latency of the others', async () => {
    const one = await registry.register(plainSpec('orders', 1))
    const two = await registry.register(plainSpec('orders', 2))
    const discovery = discover({ coalesceMs: 10_000 })
    const cluster = discovery.cluster('orders')
    await cluster.ready()
    const [dropped, kept] = cluster.view.endpoints
    kept?.acquire()
    await one.deregister()
    await eventually(() => expect(dropped?.available).toBe(false), 1_000)
    expect(cluster.view.endpoints).toHaveLength(2)
    await two.update({ weight: 7 })
    await discovery.refresh('orders')
    expect(cluster.view.endpoints).toEqual([kept])
    expect(cluster.view.endpoints[0]).toBe(kept)
    expect([kept?.active, kept?.instance.weight]).toEqual([1, 7])
  })

  test('reach listeners and iterations with the full list and the change; a slow one gets only the latest', async () => {
    await registry.register(plainSpec('orders', 1))
    const discovery = discover()
    const received: string[] = []
    const describeEvent = ({ snapshot, change, stale }: DiscoveryEvent): string => {
      const names = (list: readonly { id: string }[]): string => list.map(({ id }) => id.slice(-1)).join('')
      return `${snapshot.instances.length} +${names(change.added)} ~${names(change.updated)} -${names(change.removed)}${stale ? ' stale' : ''}`
    }
    const stop = discovery.subscribe('orders', (event) => received.push(describeEvent(event)))
    const slow = discovery.watch('orders')[Symbol.asyncIterator]()
    expect(describeEvent((await slow.next()).value)).toBe('1 +1 ~ -')
    const second = await registry.register(plainSpec('orders', 2))
    await eventually(() => expect(received.at(-1)).toBe('2 +2 ~ -'), 1_000)
    await second.update({ weight: 3 })
    await eventually(() => expect(received.at(-1)).toBe('2 + ~2 -'), 1_000)
    await second.deregister()
    await eventually(() => expect(received.at(-1)).toBe('1 + ~ -2'), 1_000)
    await registry.register(plainSpec('orders', 3))
    await eventually(() => expect(received.at(-1)).toBe('2 +3 ~ -'), 1_000)
    expect(describeEvent((await slow.next()).value)).toBe('2 +3 ~ -')
    registry.store.setAvailable(false)
    await eventually(() => expect(received.at(-1)).toBe('2 + ~ - stale'), 1_000)
    registry.store.setAvailable(true)
    await eventually(() => expect(received.at(-1)).toBe('2 + ~ -'), 2_000)
    stop()
    await slow.return?.()
    expect((await slow.next()).done).toBe(true)
  })

  test('are published to telemetry', async () => {
    const events: TelemetryEvents['sd:v1:discovery:update'][] = []
    const stop = subscribeTelemetry('sd:v1:discovery:update', (event) => events.push(event))
    await registry.register(plainSpec('orders', 1))
    await discover().discover('orders')
    stop()
    expect(events.map(({ service, change }) => [service, change.added.length])).toEqual([['orders', 1]])
  })

  test('rebuild the picker of an attached balancer at the next pick, and notify it of load', async () => {
    await registry.register(plainSpec('orders', 1))
    const discovery = discover()
    const cluster = discovery.cluster('orders')
    const changed = vi.fn()
    const createPicker = vi.fn((view) => ({ pick: () => view.endpoints[0], changed }))
    const attached = cluster.attach({ name: 'test', createPicker })
    expect(attached.pick({})).toBeUndefined()
    await cluster.ready()
    const endpoint = attached.pick({})
    expect(endpoint?.instance.id).toBe('orders-1')
    attached.pick({})
    expect(createPicker).toHaveBeenCalledTimes(2)
    endpoint?.acquire()
    expect(changed).toHaveBeenCalledWith(endpoint)
    attached.detach()
    endpoint?.release({ ok: true, latencyMs: 1 })
    expect(changed).toHaveBeenCalledOnce()
  })
})

describe('outages', () => {
  test('keep the last known list, stale; an empty list after reconnecting is believed if the guard is off', async () => {
    await registry.register(plainSpec('orders', 1))
    const discovery = discover({ emptyGuardMs: 0 })
    await discovery.discover('orders')
    registry.store.setAvailable(false)
    await eventually(async () => expect((await discovery.discover('orders')).stale).toBe(true), 1_000)
    expect(await ids(discovery)).toEqual(['orders-1'])
    expect(discovery.cluster('orders').view.endpoints).toHaveLength(1)
    expect(discovery.statistics().stale).toBe(1)
    await expect(discovery.refresh('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    registry.store.setAvailable(true)
    await eventually(async () => expect((await discovery.discover('orders')).stale).toBe(false), 2_000)
    registry.setConnected(false)
    registry.store.clear()
    registry.setConnected(true)
    await eventually(async () => expect(await ids(discovery)).toEqual([]), 2_000)
  })

  test('a first lookup during an outage rejects with the error of the source, in time', async () => {
    registry.store.setAvailable(false)
    const discovery = discover({ readyTimeoutMs: 100 })
    await expect(discovery.discover('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await expect(discovery.discover('orders', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    registry.store.setAvailable(true)
    await eventually(async () => expect(await ids(discovery)).toEqual([]), 2_000)
  })

  test('a refusal of the source is reported at once, and the source is asked again later', async () => {
    vi.useFakeTimers()
    let denied = true
    const source: InstanceSource = {
      getInstances: (service) => registry.getInstances(service),
      watch: (service, options) => {
        if (denied) throw new SdError('SD_DENIED', 'token expired')
        return registry.watch(service, options)
      },
    }
    const discovery = discover({ source })
    await expect(discovery.discover('orders')).rejects.toMatchObject({ code: 'SD_DENIED' })
    denied = false
    await vi.advanceTimersByTimeAsync(1_100)
    vi.useRealTimers()
    expect(await ids(discovery)).toEqual([])
  })
})

describe('a source without watch', () => {
  test('is polled after ttlMs, and its last list stays in effect while it fails', async () => {
    vi.useFakeTimers()
    await registry.register(plainSpec('orders', 1))
    const getInstances = vi.fn((service: string) => registry.getInstances(service))
    const discovery = discover({ source: { getInstances }, ttlMs: 1_000, coalesceMs: 0 })
    expect(await ids(discovery)).toEqual(['orders-1'])
    await registry.register(plainSpec('orders', 2))
    expect(await ids(discovery)).toEqual(['orders-1'])
    await vi.advanceTimersByTimeAsync(1_100)
    expect(await ids(discovery)).toEqual(['orders-1', 'orders-2'])
    expect(getInstances).toHaveBeenCalledTimes(2)
    getInstances.mockRejectedValue(new SdError('SD_UNAVAILABLE', 'away'))
    await vi.advanceTimersByTimeAsync(1_100)
    expect(await ids(discovery)).toEqual(['orders-1', 'orders-2'])
    expect((await discovery.discover('orders')).stale).toBe(true)
    getInstances.mockImplementation((service) => registry.getInstances(service))
    await vi.advanceTimersByTimeAsync(2_000)
    expect((await discovery.discover('orders')).stale).toBe(false)
    vi.useRealTimers()
  })
})

describe('bounds', () => {
  test('unused services are dropped; attached and watched ones stay', async () => {
    vi.useFakeTimers()
    const discovery = discover({ idleMs: 5_000 })
    for (const service of ['idle', 'attached', 'watched']) await discovery.discover(service)
    const attached = discovery.cluster('attached').attach(first as never)
    const stop = discovery.subscribe('watched', () => undefined)
    await vi.advanceTimersByTimeAsync(8_000)
    expect([...discovery.statistics().byService.keys()]).toEqual(['attached', 'watched'])
    attached.detach()
    stop()
    await vi.advanceTimersByTimeAsync(8_000)
    expect(discovery.statistics().services).toBe(0)
    vi.useRealTimers()
  })

  test('follows at most maxServices; drops services that never had an instance first, then unused ones', async () => {
    for (const service of ['a', 'b', 'c']) await registry.register(plainSpec(service, 1))
    const discovery = discover({ maxServices: 2 })
    const a = discovery.cluster('a')
    a.attach(first as never)
    await a.ready()
    for (let index = 0; index < 100; index++) {
      const guess = discovery.cluster(`guess-${index}`)
      guess.attach(first as never)
      await guess.ready()
    }
    const guess = discovery.cluster('guess-99')
    await discovery.cluster('b').ready()
    expect([a.isClosed, guess.isClosed, [...discovery.statistics().byService.keys()]]).toEqual([false, true, ['a', 'b']])
    discovery.cluster('c').attach(first as never)
    await discovery.cluster('c').ready()
    expect([...discovery.statistics().byService.keys()]).toEqual(['a', 'c'])
    expect(() => discovery.cluster('d')).toThrow(expect.objectContaining({ code: 'SD_TOO_LARGE' }))
  })

  test.each([
    ['in use', (cluster: Cluster) => cluster.attach(first as never)],
    ['not in use', () => undefined],
  ])('a service that is %s and waits for its first list is dropped only after readyTimeoutMs', async (_, use) => {
    vi.useFakeTimers()
    const watch = () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) })
    const silent = { getInstances: () => new Promise<never>(() => {}), watch }
    const limits = { maxServices: 1, readyTimeoutMs: 1_000, idleMs: 600_000 }
    const discovery = createDiscovery({ source: silent, ...limits })
    const a = discovery.cluster('a')
    use(a)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(() => discovery.cluster('b')).toThrow(expect.objectContaining({ code: 'SD_TOO_LARGE' }))
    await vi.advanceTimersByTimeAsync(1)
    discovery.cluster('b')
    expect([...discovery.statistics().byService.keys()]).toEqual(['b'])
    const closing = discovery.close()
    await vi.advanceTimersByTimeAsync(2_000)
    await closing
    vi.useRealTimers()
  })

  test('a name without instances is dropped after a minute, however long idleMs is', async () => {
    vi.useFakeTimers()
    await registry.register(plainSpec('orders', 1))
    const discovery = discover({ idleMs: 600_000 })
    for (const service of ['orders', 'made-up']) await discovery.discover(service)
    await vi.advanceTimersByTimeAsync(95_000)
    expect([...discovery.statistics().byService.keys()]).toEqual(['orders'])
    vi.useRealTimers()
  })

  test('follows a thousand services with ten instances each, and one change affects only one of them', async () => {
    for (let index = 0; index < 10_000; index++) await registry.register(plainSpec(`service-${index % 1_000}`, index))
    const discovery = discover()
    for (let index = 0; index < 1_000; index++) await discovery.cluster(`service-${index}`).ready()
    const views = new Set(Array.from({ length: 1_000 }, (_, index) => discovery.cluster(`service-${index}`).view))
    await registry.register(plainSpec('service-7', 20_000))
    await eventually(() => expect(discovery.cluster('service-7').view.endpoints).toHaveLength(11), 1_000)
    const unchanged = Array.from({ length: 1_000 }, (_, index) => discovery.cluster(`service-${index}`).view).filter((view) =>
      views.has(view),
    )
    expect(unchanged).toHaveLength(999)
  })
})

describe('closing and bad input', () => {
  test('a cluster that was kept rejects lookups, also known ones', async () => {
    await registry.register(plainSpec('orders', 1))
    const discovery = discover()
    const cluster = discovery.cluster('orders')
    await cluster.ready()
    await discovery.close()
    await expect(cluster.ready()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('ends everything and rejects later calls', async () => {
    const discovery = discover()
    const events = discovery.watch('orders')[Symbol.asyncIterator]()
    await events.next()
    const pending = events.next()
    registry.store.setAvailable(false)
    const waiting = discovery.discover('new')
    waiting.catch(() => undefined)
    await Promise.all([discovery.close(), discovery.close()])
    expect((await pending).done).toBe(true)
    await expect(waiting).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await expect(discovery.discover('orders')).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(() => discovery.cluster('orders')).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
    registry.store.setAvailable(true)
    await discovery[Symbol.asyncDispose]()
  })

  test.each<[string, object]>([
    ['source', { source: 1 }],
    ['source.getInstances', { source: {} }],
    ['ttlMs', { ttlMs: 0 }],
    ['services.orders.filter', { services: { orders: { filter: 1 } } }],
    ['services.orders.filters', { services: { orders: { filters: [] } } }],
    ['services.orders.subset.size', { services: { orders: { subset: {} } } }],
    ['services.orders.monitors', { services: { orders: { monitors: 1 } } }],
    ['monitors[0].attach', { monitors: [{ name: 'a' }] }],
    ['monitors[1].name', { monitors: ['a', 'a'].map((name) => ({ name, attach: () => ({ close() {} }) })) }],
    ['subset.clientId', { subset: { size: 1, clientId: '' } }],
    ['panicThreshold', { panicThreshold: 1.5 }],
    ['snapshots.directory', { snapshots: { directory: '' } }],
    ['snapshots.secret', { snapshots: { directory: 'x', secret: 'short' } }],
    ['cache', { cache: true }],
  ])('a bad %s is refused', (field, options) => {
    expect(() => discover(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('rejects invalid lookups', async () => {
    const discovery = discover()
    await expect(discovery.discover('')).rejects.toMatchObject({ field: 'service' })
    await expect(discovery.discover('a', { filter: 1 as never })).rejects.toMatchObject({ field: 'filter' })
    await expect(discovery.discover('a', { version: '1' } as never)).rejects.toMatchObject({ field: 'version' })
    expect(() => discovery.subscribe('a', 1 as never)).toThrow(expect.objectContaining({ field: 'listener' }))
  })
})

describe('a change listener', () => {
  test('is called for the first list, each new view and the end, but not after it was removed', async () => {
    const discovery = discover()
    const cluster = discovery.cluster('orders')
    const seen: string[] = []
    const leave = cluster.onChange(() => seen.push(`${cluster.snapshot?.instances.length}:${cluster.isClosed}`))
    cluster.onChange(() => {
      throw new Error('a listener of the application')
    })
    await cluster.ready()
    expect(seen).toEqual(['0:false'])
    const registration = await registry.register(plainSpec('orders', 1))
    await eventually(() => expect(seen).toContain('1:false'), 5_000)
    seen.length = 0
    cluster.view.endpoints[0]?.block('test')
    await eventually(() => expect(seen.length).toBeGreaterThan(0), 5_000)
    const other = discovery.cluster('stock')
    const ended: boolean[] = []
    other.onChange(() => ended.push(other.isClosed))
    leave()
    seen.length = 0
    await registration.deregister()
    await eventually(() => expect(cluster.snapshot?.instances.length).toBe(0), 5_000)
    await discovery.close()
    expect([seen, ended.at(-1)]).toEqual([[], true])
  })
})
