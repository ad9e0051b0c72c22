import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { FailoverStatus } from './index.ts'
import { activeOf, createHangingRegistry, createTestMember, createTestRegistry, record } from './testing/members.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const pass = (durationMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(durationMs)

describe('switching', () => {
  test('leaves a member that stays unreachable, and returns to it once it stays healthy; the watch is stale in between, never empty', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b', { priority: 1 })]
    a.put(1, 2)
    b.put(2, 3)
    const registry = createTestRegistry([a, b])
    const recording = record(registry)
    await pass(100)
    expect([activeOf(registry), recording.steps]).toEqual([['a'], ['1a 2a']])

    a.store.setAvailable(false)
    await pass(2_500)
    expect([activeOf(registry), recording.last, registry.state]).toEqual([['a'], '1a 2a!', 'disconnected'])
    await expect(registry.getInstances('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    await pass(1_000)
    expect([activeOf(registry), recording.last, registry.state]).toEqual([['b'], '2b 3b', 'connected'])
    expect((await registry.getInstances('orders')).instances).toHaveLength(2)

    a.store.setAvailable(true)
    await pass(4_500)
    expect(activeOf(registry)).toEqual(['b'])
    await pass(2_000)
    expect(activeOf(registry)).toEqual(['a'])
    expect(recording.steps).toEqual(['1a 2a', '1a 2a!', '2b 3b', '1a 2a'])
    await registry.close()
  })

  test('a flapping member does not move reads, whether it is in use or not', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b', { priority: 1 })]
    const registry = createTestRegistry([a, b])
    const actives = new Set<string>()
    registry.onChange(() => actives.add(activeOf(registry).join()))
    async function flap(times: number): Promise<void> {
      for (let round = 0; round < times; round++) {
        a.store.setAvailable(false)
        await pass(1_500)
        a.store.setAvailable(true)
        await pass(1_500)
      }
    }
    await pass(100)
    actives.clear()
    await flap(10)
    expect([...actives]).toEqual(['a'])
    a.store.setAvailable(false)
    await pass(5_000)
    expect(activeOf(registry)).toEqual(['b'])
    actives.clear()
    await flap(10)
    expect([...actives]).toEqual(['b'])
    await registry.close()
  })

  test('the best healthy member is next, not just the next one', async () => {
    const [a, b, c] = [createTestMember('a'), createTestMember('b'), createTestMember('c', { priority: 9 })]
    const registry = createTestRegistry([c, a, b])
    b.store.setAvailable(false)
    await pass(100)
    a.store.setAvailable(false)
    await pass(4_000)
    expect(activeOf(registry)).toEqual(['c'])
    b.store.setAvailable(true)
    await pass(6_000)
    expect(activeOf(registry)).toEqual(['b'])
    await registry.close()
  })

  test('without hysteresis the first failed ping is decisive', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    const registry = createTestRegistry([a, b], { failAfterMs: 0, returnAfterMs: 0 })
    await pass(100)
    a.store.setAvailable(false)
    await pass(600)
    expect(activeOf(registry)).toEqual(['b'])
    a.store.setAvailable(true)
    await pass(600)
    expect(activeOf(registry)).toEqual(['a'])
    await registry.close()
  })
})

describe('a cold start', () => {
  test('reads from the second at once if the first refuses', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    a.store.setAvailable(false)
    b.put(1)
    const registry = createTestRegistry([a, b])
    expect((await registry.getInstances('orders')).instances).toHaveLength(1)
    expect(registry.state).toBe('connected')
    await registry.close()
  })

  test('reads from the second in time if the first hangs', async () => {
    const b = createTestMember('b')
    b.put(1)
    const hanging = { ...b, member: { registry: createHangingRegistry('a') } }
    const registry = createTestRegistry([hanging, b], { failAfterMs: 400 })
    const [found] = await Promise.all([registry.getInstances('orders'), pass(400)])
    expect(found.instances).toHaveLength(1)
    await Promise.all([registry.close(), pass(5_000)])
  })

  test('without any reachable member is an error until one responds', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    for (const { store } of [a, b]) store.setAvailable(false)
    b.put(1)
    const registry = createTestRegistry([a, b], { failAfterMs: 600_000 })
    const recording = record(registry)
    await expect(registry.getInstances('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await expect(registry.ping()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await pass(60_000)
    expect(recording.steps).toEqual(['none!'])
    b.store.setAvailable(true)
    await pass(1_500)
    expect([activeOf(registry), recording.last]).toEqual([['b'], '1b'])
    await registry.ping()
    await registry.close()
  })
})

describe('the status', () => {
  test('contains times and reasons, and changes are reported', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b', { write: false })]
    const reported: FailoverStatus[] = []
    const events: TelemetryEvents['sd:v1:backend:state'][] = []
    const stopEvents = subscribeTelemetry('sd:v1:backend:state', (event) => event.backend === 'both' && events.push(event))
    const registry = createTestRegistry([a, b], { name: 'both' })
    const stop = registry.onChange((status) => reported.push(status))
    expect(registry.status().members.map(({ state }) => state)).toEqual(['unknown', 'unknown'])
    await pass(100)
    const startedAt = Date.now()
    a.store.setAvailable(false)
    await pass(1_000)
    const { mode, state, members } = registry.status()
    expect([mode, state]).toEqual(['priority', 'disconnected'])
    expect(members).toMatchObject([
      { name: 'a', state: 'unreachable', lastError: { code: 'SD_UNAVAILABLE' }, active: true, registers: true },
      { name: 'b', state: 'healthy', active: false, registers: false },
    ])
    expect(members[0]?.unreachableSince).toBeGreaterThanOrEqual(startedAt)
    expect(members[1]?.healthySince).toBeLessThan(startedAt)
    expect(reported.at(-1)).toEqual(registry.status())
    stop()
    const { length } = reported
    await registry.close()
    expect(reported).toHaveLength(length)
    expect(registry.status().state).toBe('closed')
    stopEvents()
    expect(events.map((event) => [event.state, event.error?.code])).toEqual([
      ['connected', undefined],
      ['disconnected', 'SD_UNAVAILABLE'],
      ['closed', undefined],
    ])
  })
})

describe('registrations', () => {
  test('are on every member by default, and are added to a member that was unreachable', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    const registry = createTestRegistry([a, b])
    b.store.setAvailable(false)
    const registration = await registry.register(plainSpec('orders', 1))
    expect([registration.state, a.ids(), b.ids()]).toEqual(['active', ['orders-1'], []])
    await registration.update({ weight: 5 })
    b.store.setAvailable(true)
    await pass(5_000)
    expect(b.store.list('orders').instances).toMatchObject([{ id: 'orders-1', weight: 5 }])
    await registration.deregister()
    expect([a.ids(), b.ids()]).toEqual([[], []])
    await registry.close()
  })

  test('move with the active member if configured, without a gap', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    const registry = createTestRegistry([a, b], { writeTo: 'active' })
    const registration = await registry.register(plainSpec('orders', 1))
    expect([a.ids(), b.ids()]).toEqual([['orders-1'], []])
    a.store.setAvailable(false)
    await pass(3_600)
    expect([registration.state, b.ids()]).toEqual(['active', ['orders-1']])
    await registration.update({ weight: 4 })
    a.store.setAvailable(true)
    await pass(10_000)
    expect([registration.state, a.ids(), b.ids()]).toEqual(['active', ['orders-1'], []])
    expect(registration.instance.weight).toBe(4)
    await registry.close()
    expect(a.ids()).toEqual([])
  })

  test('require every member if configured', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    const registry = createTestRegistry([a, b], { requireAll: true })
    b.store.setAvailable(false)
    const refused = expect(registry.register(plainSpec('orders', 1), { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
    })
    await pass(600)
    await refused
    expect(a.ids()).toEqual([])
    const registration = await registry.register(plainSpec('orders', 1), { whenUnavailable: 'recover' })
    expect(a.ids()).toEqual(['orders-1'])
    await expect(registration.update({ weight: 3 })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    b.store.setAvailable(true)
    await pass(5_000)
    expect(b.store.list('orders').instances).toMatchObject([{ weight: 3 }])
    await registration.update({ weight: 2 })
    b.store.setAvailable(false)
    await expect(registration.deregister()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    expect(a.ids()).toEqual([])
    await registry.close()
  })

  test('of one id replace each other without a gap', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    const registry = createTestRegistry([a, b])
    const first = await registry.register(plainSpec('orders', 1))
    const states: string[] = []
    const counts = new Set<number>()
    a.store.onChange('orders', () => counts.add(a.ids().length))
    first.onStateChange(({ state }) => states.push(state))
    const second = await registry.register({ ...plainSpec('orders', 1), weight: 2 })
    await pass(10)
    expect([first.state, second.state, states, [...counts]]).toEqual(['closed', 'active', ['closed'], [1]])
    await first.deregister()
    expect([a.ids(), b.ids()]).toEqual([['orders-1'], ['orders-1']])
    await registry.close()
  })
})
