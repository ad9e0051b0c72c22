import { type InstanceUpdate, type Registration, type Registry, SdError } from '@sd/core'
import { plainSpec, probeWatch } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { activeOf, createHangingRegistry, createTestMember, createTestRegistry, record } from './testing/members.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const pass = (durationMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(durationMs)

describe('reading', () => {
  test('is the union by id, and the instance of the better member is used in a conflict', async () => {
    const [a, b] = [createTestMember('a', { priority: 5 }), createTestMember('b', { priority: 1 })]
    a.put(1, 2)
    b.put(2, 3)
    const registry = createTestRegistry([a, b], { mode: 'migration' })
    const recording = record(registry)
    const { instances, stale } = await registry.getInstances('orders')
    expect(instances.map(({ id, metadata }) => id + metadata['from'])).toEqual(['orders-1a', 'orders-2b', 'orders-3b'])
    expect(stale).toBe(false)
    await pass(10)
    expect([recording.steps, activeOf(registry)]).toEqual([['1a 2b 3b'], ['b', 'a']])
    expect((await registry.getInstance('orders', 'orders-2'))?.metadata).toEqual({ from: 'b' })
    expect(await registry.getInstance('orders', 'absent')).toBeUndefined()
    b.store.remove('orders', 'orders-2')
    await pass(10)
    expect(recording.last).toBe('1a 2a 3b')
    await registry.close()
  })

  test('keeps the last instances of a member while it is unreachable, after those of the others', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    a.put(1, 2)
    b.put(2)
    const registry = createTestRegistry([a, b], { mode: 'migration' })
    const recording = record(registry)
    await pass(10)
    a.store.setAvailable(false)
    await pass(5_000)
    b.put(3)
    await pass(10)
    expect([recording.last, registry.state]).toEqual(['1a 2b 3b (incomplete)', 'connected'])
    const { instances, stale } = await registry.getInstances('orders')
    expect([instances.length, stale]).toEqual([2, true])
    await expect(registry.getInstance('orders', 'orders-1')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    b.store.setAvailable(false)
    await pass(5_000)
    expect([recording.last, registry.state]).toEqual(['1a 2b 3b (incomplete)!', 'disconnected'])
    b.store.setAvailable(true)
    await pass(5_000)
    expect(recording.last).toBe('1a 2b 3b (incomplete)')
    a.store.setAvailable(true)
    await pass(5_000)
    expect(recording.last).toBe('1a 2a 3b')
    await registry.close()
  })

  test('an empty result is returned only if no member is missing', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    a.put(1)
    a.store.setAvailable(false)
    const registry = createTestRegistry([a, b], { mode: 'migration' })
    const recording = record(registry)
    await expect(registry.getInstances('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await expect(registry.listServices()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await pass(5_000)
    expect(recording.steps).toEqual(['none!'])
    a.store.setAvailable(true)
    await pass(5_000)
    expect(recording.last).toBe('1a')
    await registry.close()
  })

  test('waits for a hanging member with a limit', async () => {
    const b = createTestMember('b')
    b.put(1)
    const hanging = { ...b, member: { registry: createHangingRegistry('a') } }
    const registry = createTestRegistry([hanging, b], { mode: 'migration' })
    const recording = record(registry)
    await pass(900)
    expect(recording.steps).toEqual([])
    const [{ stale }] = await Promise.all([registry.getInstances('orders'), pass(1_100)])
    expect([stale, recording.last]).toEqual([true, '1b (incomplete)'])
    await Promise.all([registry.close(), pass(5_000)])
  })

  test('lists the services of all members, once each', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    a.put(1)
    const registry = createTestRegistry([a, b], { mode: 'migration' })
    await b.registry.register(plainSpec('users', 1))
    expect(await registry.listServices()).toEqual(['orders', 'users'])
    const probe = probeWatch((options) => registry.watchServices(options), 1_000)
    await pass(10)
    b.put(1)
    await b.registry.register(plainSpec('baskets', 1))
    await pass(10)
    expect(probe.seen.map(({ value }) => value)).toEqual([
      ['orders', 'users'],
      ['baskets', 'orders', 'users'],
    ])
    await registry.close()
  })
})

describe('writing', () => {
  test('uses every member that is written; reads use the members that are read', async () => {
    const a = createTestMember('a', { write: false })
    const b = createTestMember('b', { read: false })
    const c = createTestMember('c')
    a.put(7)
    const registry = createTestRegistry([a, b, c], { mode: 'migration' })
    const registration = await registry.register(plainSpec('orders', 1))
    expect([a.ids(), b.ids(), c.ids()]).toEqual([['orders-7'], ['orders-1'], ['orders-1']])
    b.put(8)
    expect((await registry.getInstances('orders')).instances.map(({ id }) => id)).toEqual(['orders-1', 'orders-7'])
    await registration.update({ weight: 3, version: '2' })
    for (const { store } of [b, c]) {
      expect(store.list('orders').instances[0]).toMatchObject({ weight: 3, version: '2' })
    }
    await registration[Symbol.asyncDispose]()
    await registry.deregister('orders', 'orders-8')
    expect([b.ids(), c.ids()]).toEqual([[], []])
    await registry.close()
  })

  test('succeeds while a member is down, which catches up by itself', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    a.store.setAvailable(false)
    const registry = createTestRegistry([a, b], { mode: 'migration' })
    await pass(10)
    const registration = await registry.register(plainSpec('orders', 1))
    await registration.update({ weight: 2 })
    await registry.deregister('orders', 'absent')
    expect(registration.state).toBe('active')
    b.store.setAvailable(false)
    await expect(registry.deregister('orders', 'absent')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await expect(registration.update({ weight: 3 })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    expect(registration).toMatchObject({ state: 'recovering', lastError: { code: 'SD_UNAVAILABLE' } })
    for (const { store } of [a, b]) store.setAvailable(true)
    await pass(5_000)
    for (const { store } of [a, b]) expect(store.list('orders').instances).toMatchObject([{ weight: 3 }])
    await registry.close()
  })

  test('a hanging member does not fail what another one accepted', async () => {
    const b = createTestMember('b')
    const hanging = { ...b, member: { registry: createHangingRegistry('a'), read: false } }
    const registry = createTestRegistry([hanging, b], { mode: 'migration', failAfterMs: 60_000, operationTimeoutMs: 5_000 })
    const [registration] = await Promise.all([registry.register(plainSpec('orders', 1), { timeoutMs: 200 }), pass(200)])
    expect([registration.state, b.ids()]).toEqual(['active', ['orders-1']])
    await Promise.all([registration.update({ weight: 2 }), pass(5_000)])
    await Promise.all([registration.deregister({ signal: new AbortController().signal }), pass(5_000)])
    expect(b.ids()).toEqual([])
    await Promise.all([registry.close(), pass(5_000)])
  })

  /** A member that accepts only instances and updates with a weight of at most 5, and none while denied. */
  function createPicky(inner: Registry): { registry: Registry; deny: (denied: boolean) => void } {
    let denied = false
    function check(weight: number | undefined): void {
      if (denied) throw new SdError('SD_DENIED', 'no')
      if ((weight ?? 0) > 5) throw new SdError('SD_INVALID', 'too heavy', { field: 'weight' })
    }
    const register: Registry['register'] = async (spec, options) => {
      check(spec.weight)
      const made: Registration = await inner.register(spec, options)
      return Object.create(made, {
        state: { get: () => made.state },
        onStateChange: { value: made.onStateChange.bind(made) },
        deregister: { value: () => made.deregister() },
        update: {
          value: async (change: InstanceUpdate) => {
            check(change.weight)
            await made.update(change)
          },
        },
      })
    }
    return {
      registry: Object.create(inner, { register: { value: register }, capabilities: { value: inner.capabilities } }),
      deny: (next) => {
        denied = next
      },
    }
  }

  test('a write that one member refuses is repeated', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    const { registry: picky, deny } = createPicky(b.registry)
    const registry = createTestRegistry([a, { ...b, member: { registry: picky } }], { mode: 'migration' })
    deny(true)
    const registration = await registry.register(plainSpec('orders', 1))
    expect([registration.state, a.ids(), b.ids()]).toEqual(['active', ['orders-1'], []])
    deny(false)
    await pass(10_000)
    expect(b.ids()).toEqual(['orders-1'])
    await registration.update({ weight: 9 })
    expect(b.store.list('orders').instances).toMatchObject([{ weight: 1 }])
    await registration.update({ weight: 5, tags: ['x'] })
    expect(b.store.list('orders').instances).toMatchObject([{ weight: 5, tags: ['x'] }])
    await registry.close()
  })

  test('a write that every member refuses is an error and changes nothing', async () => {
    const a = createTestMember('a')
    const { registry: picky, deny } = createPicky(a.registry)
    const registry = createTestRegistry([{ ...a, member: { registry: picky } }], { mode: 'migration' })
    await expect(registry.register({ ...plainSpec('orders', 1), weight: 6 })).rejects.toMatchObject({ field: 'weight' })
    const registration = await registry.register(plainSpec('orders', 1))
    await expect(registration.update({ weight: 6 })).rejects.toMatchObject({ code: 'SD_INVALID' })
    expect(registration.instance.weight).toBe(1)
    deny(true)
    await expect(registry.register(plainSpec('orders', 2))).rejects.toMatchObject({ code: 'SD_DENIED' })
    await expect(registration.update({ weight: 2 }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'SD_ABORTED',
    })
    await registry.close()
    expect(a.ids()).toEqual([])
  })
})
