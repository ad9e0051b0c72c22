import { getEventListeners } from 'node:events'
import {
  type AllServices,
  createLatestWins,
  createServiceInstance,
  createSnapshot,
  type LatestWins,
  type Registry,
  SdError,
  type ServiceSnapshot,
  type Staleness,
  type Watched,
} from '@sd/core'
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

/** A list of one instance with that id. */
function listOf(service: string, id: string, revision?: string): ServiceSnapshot {
  const instances = [createServiceInstance({ ...plainSpec(service, 1), id })]
  return createSnapshot({ service, instances, ...(revision !== undefined && { revision }) })
}

function staleSince(since: number, error = new SdError('SD_UNAVAILABLE', 'no connection')): Staleness {
  return { since, error }
}

/** Streams of a source that the test writes to. They end with the signal of the reader. */
function openStreams() {
  const opened = new Map<string, { readonly stream: LatestWins<Watched<never>>; readonly signal: AbortSignal }>()
  const calls: string[] = []
  const open = (name: string, signal: AbortSignal | undefined): LatestWins<Watched<never>> => {
    const stream = createLatestWins<Watched<never>>()
    opened.set(name, { stream, signal: signal as AbortSignal })
    calls.push(name)
    signal?.addEventListener('abort', () => stream.end(), { once: true })
    return stream
  }
  const find = (name: string) => {
    const found = opened.get(name)
    if (!found) throw new Error(`no stream ${name}`)
    return found
  }
  return {
    /** What was opened, in this order. */
    calls,
    signalOf: (name: string) => find(name).signal,
    stream: (name: string) => find(name).stream,
    source: {
      getInstances: () => Promise.reject(new Error('not used')),
      watch: (service: string, { signal } = {}) => open(service, signal),
      watchServices: ({ signal } = {}) => open('(names)', signal),
      watchAll: ({ signal } = {}) => open('(all)', signal),
      capabilities: { watchAll: true, healthChecks: [] as never },
    } as InstanceSource,
    async offer(name: string, watched: Watched<AllServices | ServiceSnapshot | readonly string[]>): Promise<void> {
      find(name).stream.offer(watched as Watched<never>)
      await pass(1)
    },
  }
}

describe('a source with a stream of all services', () => {
  test.each([
    ['is asked for that stream only', true, ['(all)']],
    ['whose stream does not work now is asked for the names and for each service', false, ['(names)', 'orders']],
  ])('%s', async (_, watchAll, expected) => {
    const { source, calls, offer } = openStreams()
    const discovery = createDiscovery({ source: { ...source, capabilities: { ...source.capabilities, watchAll } as never } })
    record(discovery)
    await pass(1)
    if (!watchAll) await offer('(names)', { value: ['orders'] })
    expect(calls).toEqual(expected)
    await discovery.close()
  })

  test('causes an event for the first state, for changed instances and for staleness, and for nothing else', async () => {
    const { source, offer } = openStreams()
    const discovery = createDiscovery({ source })
    const { events } = record(discovery)
    await pass(1)
    const offerAndCount = async (watched: Watched<AllServices>): Promise<number> => {
      await offer('(all)', watched)
      return events.length
    }
    const stale = staleSince(1)
    const listed = new Map([['orders', listOf('orders', 'a', '2')]])
    expect(await offerAndCount({ stale })).toBe(0)
    expect(await offerAndCount({ value: new Map() })).toBe(1)
    expect(await offerAndCount({ value: new Map() })).toBe(1)
    expect(await offerAndCount({ value: new Map([['orders', listOf('orders', 'a', '1')]]) })).toBe(2)
    expect(await offerAndCount({ value: listed })).toBe(2)
    expect(await offerAndCount({ value: listed, stale })).toBe(3)
    expect([events[2]?.changes.size, events[2]?.stale]).toEqual([0, stale])
    expect(await offerAndCount({ value: listed })).toBe(4)
    await discovery.close()
  })

  test.each<[string, (streams: ReturnType<typeof openStreams>, events: AsyncIterator<AllServicesEvent>) => Promise<unknown>]>([
    ['the reader returns', (_, events) => events.return?.() as Promise<unknown>],
    [
      'the source ends its stream',
      (streams, events) => {
        streams.stream('(all)').end()
        return events.next()
      },
    ],
    [
      'the source fails',
      (streams, events) => {
        streams.stream('(all)').fail(new SdError('SD_DENIED', 'not allowed'))
        return expect(events.next())
          .rejects.toThrow('not allowed')
          .then(() => ({ done: true, value: undefined }))
      },
    ],
  ])('is released once %s', async (_, end) => {
    const streams = openStreams()
    const discovery = createDiscovery({ source: streams.source })
    const controller = new AbortController()
    const events = discovery.watchAll({ signal: controller.signal })[Symbol.asyncIterator]()
    await streams.offer('(all)', { value: new Map() })
    await events.next()
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    expect(await end(streams, events)).toEqual({ done: true, value: undefined })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(streams.signalOf('(all)').aborted).toBe(true)
    expect(await streams.stream('(all)').next()).toEqual({ done: true, value: undefined })
    await discovery.close()
  })

  test('has released it when return() settles, and ends a loop over its iterator', async () => {
    const { source } = openStreams()
    const released = Promise.withResolvers<IteratorResult<never>>()
    const stream = { next: () => Promise.resolve({ done: false, value: { value: new Map() } }), return: () => released.promise }
    const watchAll = (() => ({ [Symbol.asyncIterator]: () => stream })) as never
    const discovery = createDiscovery({ source: { ...source, watchAll } })
    const iterator = discovery.watchAll()[Symbol.asyncIterator]() as AsyncIterableIterator<AllServicesEvent>
    let isLeft = false
    const loop = (async () => {
      for await (const { services } of iterator) {
        expect(services.size).toBe(0)
        break
      }
      isLeft = true
    })()
    await pass(10)
    expect(isLeft).toBe(false)
    released.resolve({ done: true, value: undefined })
    await loop
    await discovery.close()
  })
})

describe('services that are followed one by one', () => {
  async function start({ maxServices = 10, names = [] as readonly string[] } = {}) {
    const streams = openStreams()
    const { watchAll: _, ...source } = streams.source
    const discovery = createDiscovery({ source, maxServices })
    const recording = record(discovery)
    await pass(1)
    if (names.length > 0) await streams.offer('(names)', { value: names })
    return { ...streams, discovery, recording }
  }

  test('are reported once each of them has been listed or can not be, and later ones do not hold back the others', async () => {
    const { recording, discovery, offer } = await start({ names: ['carts', 'orders', 'users'] })
    await offer('carts', { value: listOf('carts', 'a') })
    await offer('orders', { value: listOf('orders', 'a') })
    expect(recording.events).toEqual([])
    await offer('users', { stale: staleSince(1) })
    expect(recording.last).toBe('carts=a orders=a!')
    await offer('(names)', { value: ['carts', 'orders', 'users', 'zones'] })
    await offer('carts', { value: listOf('carts', 'b') })
    expect(recording.last).toBe('carts=b orders=a!')
    await discovery.close()
  })

  test('keep their instances while they are stale, and are not stale afterwards', async () => {
    const { recording, discovery, offer } = await start({ names: ['orders'] })
    await offer('orders', { value: listOf('orders', 'a') })
    await offer('orders', { stale: staleSince(1) })
    expect(recording.last).toBe('orders=a!')
    await offer('orders', { value: listOf('orders', 'a') })
    expect([recording.last, recording.events.length]).toEqual(['orders=a', 3])
    await discovery.close()
  })

  test('are stale while the names are, which is reported once per error', async () => {
    const { recording, discovery, offer } = await start()
    const error = new SdError('SD_UNAVAILABLE', 'no connection')
    await offer('(names)', { stale: staleSince(1, error) })
    expect(recording.events).toEqual([])
    await offer('(names)', { value: ['orders'] })
    await offer('orders', { value: listOf('orders', 'a') })
    expect(recording.last).toBe('orders=a')
    for (const since of [1, 2]) await offer('(names)', { value: ['orders'], stale: staleSince(since, error) })
    expect([recording.last, recording.events.length]).toEqual(['orders=a!', 2])
    await discovery.close()
  })

  test('are released once their name is removed, the others continue on the same stream', async () => {
    const { recording, discovery, offer, calls, signalOf, stream } = await start({ names: ['orders'] })
    const listeners = (): number => getEventListeners(signalOf('(names)'), 'abort').length
    await offer('orders', { value: listOf('orders', 'a') })
    const before = listeners()
    await offer('(names)', { value: ['orders', 'users'] })
    await offer('users', { value: listOf('users', 'a') })
    expect([recording.last, listeners()]).toEqual(['orders=a users=a', before + 1])
    await offer('(names)', { value: ['orders'] })
    expect([recording.last, signalOf('users').aborted, listeners()]).toEqual(['orders=a', true, before])
    expect((await stream('users').next()).done).toBe(true)
    await offer('orders', { value: listOf('orders', 'b') })
    expect([recording.last, signalOf('orders').aborted, calls]).toEqual(['orders=b', false, ['(names)', 'orders', 'users']])
    await discovery.close()
    expect([signalOf('orders').aborted, signalOf('(names)').aborted]).toEqual([true, true])
  })

  test('whose source ignores the signal are left at the next value', async () => {
    const { source, offer } = openStreams()
    const users = createLatestWins<Watched<ServiceSnapshot>>()
    const { watchAll: _, ...rest } = source
    const watch = ((service: string, options: object) =>
      service === 'users' ? users : source.watch?.(service, options)) as InstanceSource['watch']
    const discovery = createDiscovery({ source: { ...rest, ...(watch && { watch }) } })
    record(discovery)
    await pass(1)
    await offer('(names)', { value: ['users'] })
    await offer('(names)', { value: [] })
    users.offer({ value: listOf('users', 'a') })
    await pass(1)
    expect(await users.next()).toEqual({ done: true, value: undefined })
    await discovery.close()
  })

  test('end with the names of the source', async () => {
    const { discovery, stream } = await start()
    const events = discovery.watchAll()[Symbol.asyncIterator]()
    const next = events.next()
    await pass(1)
    stream('(names)').end()
    expect(await next).toEqual({ done: true, value: undefined })
    await discovery.close()
  })

  test('may be as many as maxServices', async () => {
    const { recording, discovery, offer } = await start({ maxServices: 2, names: ['orders', 'users'] })
    await offer('orders', { value: listOf('orders', 'a') })
    await offer('users', { value: listOf('users', 'a') })
    expect([recording.last, recording.failed]).toEqual(['orders=a users=a', undefined])
    await discovery.close()
  })

  test('are not asked for if the signal has fired before', async () => {
    const { source, calls } = openStreams()
    const { watchAll: _, ...rest } = source
    const discovery = createDiscovery({ source: rest })
    const signal = AbortSignal.abort()
    expect((await discovery.watchAll({ signal })[Symbol.asyncIterator]().next()).done).toBe(true)
    expect(calls).toEqual([])
    await discovery.close()
  })

  test('need a source that can follow a service', async () => {
    const { watchAll: _, watch: __, ...source } = openStreams().source
    const discovery = createDiscovery({ source })
    await expect(discovery.watchAll()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
    await discovery.close()
  })
})
