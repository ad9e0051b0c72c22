import {
  createServiceInstance,
  createSnapshot,
  type InstanceSpec,
  type Registry,
  SdError,
  type ServiceSnapshot,
  sleep,
  subscribeTelemetry,
  type TelemetryEvents,
  untilAborted,
  type WatchSession,
} from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type AssembledRegistry, assembleReadOnlyRegistry, assembleRegistry, type RegistryAdapter } from './assemble-registry.ts'

const unreachable = new SdError('SD_UNAVAILABLE', 'unreachable')
const denied = new SdError('SD_DENIED', 'denied')
const spec: InstanceSpec = { service: 'orders', id: 'a', address: '10.0.0.1', port: 80 }
const one = createServiceInstance(spec)
const snapshot = createSnapshot({ service: 'orders', instances: [one] })
const forever = new Promise<never>(() => undefined)

/** An adapter whose parts are all controlled by the test. */
function createAdapter(): { [K in 'list' | 'ping' | 'remove' | 'follow']: ReturnType<typeof vi.fn<RegistryAdapter[K]>> } & {
  readonly put: ReturnType<typeof vi.fn<RegistryAdapter['driver']['put']>>
  readonly renew: ReturnType<typeof vi.fn<NonNullable<RegistryAdapter['driver']['renew']>>>
  readonly unput: ReturnType<typeof vi.fn<RegistryAdapter['driver']['remove']>>
  readonly close: ReturnType<typeof vi.fn<() => void | Promise<void>>>
} {
  return {
    list: vi.fn(async () => snapshot),
    ping: vi.fn(async () => undefined),
    remove: vi.fn(async () => undefined),
    follow: vi.fn(async (_, { signal }) => untilAborted(signal)),
    put: vi.fn(async () => undefined),
    renew: vi.fn(async () => 'renewed' as const),
    unput: vi.fn(async () => undefined),
    close: vi.fn(async () => undefined),
  }
}

let adapter: ReturnType<typeof createAdapter>
let assembled: AssembledRegistry
let registry: Registry

function assemble(more: Partial<RegistryAdapter> = {}): Registry {
  const { put, renew, unput, ...rest } = adapter
  assembled = assembleRegistry({
    name: 'test',
    capabilities: { register: true, watch: 'push', listServices: true, ttl: true, conditionalRemove: true },
    operationTimeoutMs: 1_000,
    ttlMs: 3_000,
    backoff: { baseMs: 100, maxMs: 100 },
    driver: { put, renew, remove: unput },
    listServices: async () => ['orders'],
    followServices: async ({ offer, signal }) => {
      offer(['orders'])
      await untilAborted(signal)
    },
    ...rest,
    ...more,
  })
  registry = assembled.registry
  return registry
}

beforeEach(() => {
  vi.useFakeTimers()
  adapter = createAdapter()
  assemble()
})
afterEach(async () => {
  const closing = registry.close()
  await vi.advanceTimersByTimeAsync(5_000)
  await closing
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('operations', () => {
  test('call the adapter, and update the connection state', async () => {
    expect(registry).toMatchObject({ name: 'test', state: 'disconnected', capabilities: { watch: 'push' } })
    expect(await registry.getInstances('orders')).toBe(snapshot)
    expect(registry.state).toBe('connected')
    expect(await registry.getInstance('orders', 'a')).toBe(one)
    expect(await registry.getInstance('orders', 'b')).toBeUndefined()
    expect(await registry.listServices()).toEqual(['orders'])
    await registry.deregister('orders', 'b')
    expect(adapter.remove).toHaveBeenCalledWith('orders', 'b', { signal: expect.any(AbortSignal) })
    adapter.ping.mockRejectedValueOnce(denied)
    await expect(registry.ping()).rejects.toBe(denied)
    expect(registry.state).toBe('connected')
    adapter.ping.mockRejectedValueOnce(new Error('refused'))
    await expect(registry.ping()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: 'test ping: refused' })
    expect(registry.state).toBe('disconnected')
    await registry.ping()
    expect([registry.state, assembled.connection.state]).toEqual(['connected', 'connected'])
  })

  test('read one instance directly if the adapter can', async () => {
    const get = vi.fn(async () => one)
    assemble({ get })
    expect(await registry.getInstance('orders', 'a')).toBe(one)
    expect(adapter.list).not.toHaveBeenCalled()
  })

  test('have a time limit, and end with the signal of the caller', async () => {
    adapter.list.mockReturnValue(forever)
    const limited = expect(registry.getInstances('orders')).rejects.toMatchObject({ code: 'SD_TIMEOUT', retryable: true })
    await vi.advanceTimersByTimeAsync(1_000)
    await limited
    const controller = new AbortController()
    const aborted = expect(registry.getInstances('orders', { signal: controller.signal })).rejects.toMatchObject({
      code: 'SD_ABORTED',
    })
    controller.abort()
    await aborted
    expect(adapter.list.mock.calls.map(([, { signal }]) => signal.aborted)).toEqual([true, true])
    adapter.list.mockImplementation(() => {
      throw unreachable
    })
    await expect(registry.getInstances('orders')).rejects.toBe(unreachable)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('are published, failed ones with their error', async () => {
    const events: TelemetryEvents['sd:v1:backend:operation'][] = []
    const stop = subscribeTelemetry('sd:v1:backend:operation', (event) => events.push(event))
    await registry.listServices()
    adapter.remove.mockRejectedValueOnce(unreachable)
    await expect(registry.deregister('orders', 'a')).rejects.toBe(unreachable)
    await registry.register(spec)
    stop()
    expect(events.map(({ operation, service, error }) => [operation, service, error])).toEqual([
      ['listServices', undefined, undefined],
      ['deregister', 'orders', unreachable],
      ['register', 'orders', undefined],
    ])
  })

  test.each([
    ['service', () => registry.getInstances('')],
    ['service', () => registry.getInstance(' ', 'a')],
    ['instanceId', () => registry.getInstance('a', '')],
    ['service', () => registry.deregister('', 'a')],
    ['instanceId', () => registry.deregister('a', '')],
    ['service', async () => registry.watch('')],
    ['port', () => registry.register({ ...spec, port: 0 })],
    ['instance', () => registry.register(undefined as never)],
  ])('reject an invalid %s', async (field, run) => {
    await expect(run()).rejects.toMatchObject({ code: 'SD_INVALID', field })
  })
})

describe('watches', () => {
  let session: WatchSession<ServiceSnapshot>
  let lose: (error: unknown) => void

  beforeEach(() => {
    adapter.follow.mockImplementation((_, started) => {
      session = started
      return new Promise((resolve, reject) => {
        lose = reject
        started.signal.addEventListener('abort', () => resolve())
      })
    })
  })

  test('update the connection state', async () => {
    const iterator = registry.watch('orders')[Symbol.asyncIterator]()
    session.offer(snapshot)
    expect((await iterator.next()).value).toEqual({ value: snapshot })
    expect(registry.state).toBe('connected')
    const { offer, previous } = session
    expect(previous()).toBe(snapshot)
    lose(new Error('reset'))
    const { stale } = (await iterator.next()).value ?? {}
    expect(stale?.error).toMatchObject({ code: 'SD_UNAVAILABLE', message: 'test: the watch of orders failed: reset' })
    expect(registry.state).toBe('disconnected')
    offer(snapshot)
    expect(registry.state, 'an ended session changes nothing').toBe('disconnected')
    await vi.advanceTimersByTimeAsync(100)
    session.offer(snapshot)
    expect([(await iterator.next()).value, registry.state]).toEqual([{ value: snapshot }, 'connected'])
  })

  test('without consumers do not change the connection state', async () => {
    adapter.follow.mockImplementation(async (_, { offer, signal }) => {
      offer(snapshot)
      await untilAborted(signal)
      throw unreachable
    })
    const iterator = registry.watch('orders')[Symbol.asyncIterator]()
    await iterator.next()
    await iterator.return?.()
    await vi.advanceTimersByTimeAsync(0)
    expect(registry.state).toBe('connected')
  })

  test('include the names of services', async () => {
    const iterator = registry.watchServices()[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toEqual({ value: ['orders'] })
  })
})

describe('registering', () => {
  test('uses the default lease, renews it, and updates the connection state', async () => {
    const registration = await registry.register(spec)
    expect([registration.instance.ttlMs, registration.state, registry.state]).toEqual([3_000, 'active', 'connected'])
    expect((await registry.register({ ...spec, id: 'b', ttlMs: 60_000 })).instance.ttlMs).toBe(60_000)
    await vi.advanceTimersByTimeAsync(3_500)
    expect(adapter.renew.mock.calls.every(([{ id }]) => id === 'a')).toBe(true)
    expect(adapter.renew.mock.calls.length).toBeGreaterThanOrEqual(3)
    adapter.renew.mockRejectedValueOnce(unreachable)
    adapter.put.mockRejectedValue(unreachable)
    await vi.advanceTimersByTimeAsync(1_200)
    expect([registration.state, registry.state]).toEqual(['recovering', 'disconnected'])
    adapter.put.mockResolvedValue(undefined)
    await vi.advanceTimersByTimeAsync(200)
    expect([registration.state, registry.state]).toEqual(['active', 'connected'])
  })

  test('registers again when the adapter reports a loss', async () => {
    const registration = await registry.register(spec)
    assembled.recover(unreachable)
    expect(registration).toMatchObject({ state: 'recovering', lastError: unreachable })
    await vi.advanceTimersByTimeAsync(300)
    expect([registration.state, adapter.put.mock.calls.length]).toEqual(['active', 2])
  })

  test('lets the adapter check the instance', async () => {
    assemble({
      check: ({ priority }) => {
        if (priority > 0) throw new SdError('SD_INVALID', 'no priorities', { field: 'priority' })
      },
    })
    await registry.register(spec)
    await expect(registry.register({ ...spec, priority: 1 })).rejects.toMatchObject({ field: 'priority' })
    expect(adapter.put).toHaveBeenCalledTimes(1)
  })

  test('only validates if it is disabled', async () => {
    assemble({ enabled: false })
    const registration = await registry.register(spec)
    expect(registration).toMatchObject({ state: 'closed', instance: { id: 'a', weight: 1 } })
    await registration.update({ weight: 2 })
    expect(registration.instance.weight).toBe(2)
    await expect(registration.update({ weight: -1 })).rejects.toMatchObject({ field: 'weight' })
    registration.onStateChange(() => undefined)()
    await registration.deregister()
    await registration[Symbol.asyncDispose]()
    expect([adapter.put, adapter.unput].map(({ mock }) => mock.calls.length)).toEqual([0, 0])
    await expect(registry.register({ ...spec, port: 0 })).rejects.toMatchObject({ field: 'port' })
  })
})

describe('close', () => {
  test('deregisters, ends watches, closes the backend once, and rejects later calls', async () => {
    const registration = await registry.register(spec)
    const watching = registry.watch('orders')[Symbol.asyncIterator]().next()
    const closing = Promise.all([registry.close(), registry.close(), registry[Symbol.asyncDispose]()])
    await vi.advanceTimersByTimeAsync(1_000)
    await closing
    expect([registration.state, registry.state, (await watching).done]).toEqual(['closed', 'closed', true])
    expect([adapter.unput, adapter.close].map(({ mock }) => mock.calls.length)).toEqual([1, 1])
    expect(adapter.unput.mock.invocationCallOrder[0]).toBeLessThan(adapter.close.mock.invocationCallOrder[0] as number)
    for (const late of [registry.register(spec), registry.getInstances('orders'), registry.ping(), registry.deregister('a', 'b')])
      await expect(late).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(() => registry.watch('orders')[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
    expect(registry.state).toBe('closed')
  })

  test('waits a second for deregistrations that hang, and longer while some succeed', async () => {
    assemble({ operationTimeoutMs: 5_000 })
    await Promise.all(['a', 'b', 'c'].map((id) => registry.register({ ...spec, id })))
    // Two end after 900 and 1,800 ms, one never: closing gives up after a second without progress.
    const durations = [900, 1_800]
    adapter.unput.mockImplementation(() => {
      const durationMs = durations.shift()
      return durationMs === undefined ? forever : sleep(durationMs)
    })
    const closing = registry.close()
    await vi.advanceTimersByTimeAsync(2_999)
    expect(adapter.close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(adapter.close).toHaveBeenCalled()
    await closing
  })

  test('is bounded in time while watches and the adapter hang', async () => {
    adapter.follow.mockReturnValue(forever)
    adapter.close.mockReturnValue(forever)
    const watching = registry.watch('orders')[Symbol.asyncIterator]().next()
    const closing = registry.close()
    await vi.advanceTimersByTimeAsync(2_000)
    await closing
    expect([(await watching).done, registry.state]).toEqual([true, 'closed'])
  })

  test('is closed even if the adapter fails to close', async () => {
    adapter.close.mockImplementationOnce(() => {
      throw new Error('stuck')
    })
    await expect(registry.close()).rejects.toThrow('stuck')
    expect(registry.state).toBe('closed')
    assemble() // for afterEach
  })
})

describe('a read-only registry', () => {
  test('has no register method, and rejects listServices if unsupported', async () => {
    const { list, ping, follow, close } = adapter
    const { registry: source, connection } = assembleReadOnlyRegistry({
      name: 'source',
      capabilities: { register: false, watch: 'poll', listServices: false, ttl: false, conditionalRemove: false },
      operationTimeoutMs: 1_000,
      initialState: 'connected',
      list,
      ping,
      follow,
      close,
    })
    expect(['register' in source, 'deregister' in source, source.state]).toEqual([false, false, 'connected'])
    connection.failed(unreachable)
    expect(source.state).toBe('disconnected')
    expect(await source.getInstances('orders')).toBe(snapshot)
    await expect(source.listServices()).rejects.toMatchObject({ code: 'SD_UNSUPPORTED', message: "source can't list services" })
    const watching = source.watchServices()[Symbol.asyncIterator]().next()
    await expect(watching).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
    expect(source.state).toBe('connected')
    await source[Symbol.asyncDispose]()
    expect([source.state, close.mock.calls.length]).toEqual(['closed', 1])
    await vi.advanceTimersByTimeAsync(1_000)
  })
})
