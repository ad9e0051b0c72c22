import { type AllServices, createServiceInstance, subscribeTelemetry } from '@sd/core'
import { plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createFailoverRegistry } from './index.ts'
import { activeOf, createHangingRegistry, createTestMember, createTestRegistry, record } from './testing/members.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const pass = (durationMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(durationMs)

describe('reconfigure', () => {
  test('replaces the only member under a watch and a registration, without a gap, and closes it', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    b.put(2)
    const registry = createTestRegistry([a])
    const recording = record(registry)
    const registration = await registry.register(plainSpec('orders', 1))
    await pass(10)
    await registry.reconfigure({ members: [b.member] })
    await pass(10)
    expect(recording.steps.filter((step) => step !== '')).toEqual(['1', '1 2b'])
    expect([a.registry.state, a.ids(), b.ids()]).toEqual(['closed', [], ['orders-1', 'orders-2']])
    expect([registration.state, activeOf(registry)]).toEqual(['active', ['b']])
    await registration.update({ weight: 3 })
    expect(b.store.list('orders').instances.find(({ id }) => id === 'orders-1')?.weight).toBe(3)
    await registry.close()
    expect(b.ids()).toEqual(['orders-2'])
  })

  test('keeps the last value, stale, while the new member is unreachable', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    a.put(1)
    b.put(2)
    b.store.setAvailable(false)
    const registry = createTestRegistry([a])
    const recording = record(registry)
    const registration = await registry.register(plainSpec('orders', 9))
    await pass(10)
    await Promise.all([registry.reconfigure({ members: [b.member] }), pass(4_000)])
    expect(recording.last).toBe('1a 9 (incomplete)!')
    expect([registration.state, a.registry.state]).toEqual(['recovering', 'closed'])
    b.store.setAvailable(true)
    await pass(10_000)
    expect([recording.last, registration.state]).toEqual(['2b 9', 'active'])
    expect(recording.steps.filter((step) => step.startsWith('!') || step === '')).toEqual([])
    await registry.close()
  })

  test('migrates from one registry to another in the mode migration', async () => {
    const [old, fresh] = [createTestMember('old'), createTestMember('new')]
    old.put(1)
    const registry = createTestRegistry([old], { closeMembers: false })
    const recording = record(registry)
    const registration = await registry.register(plainSpec('orders', 5))
    await pass(10)
    await registry.reconfigure({ mode: 'migration', members: [old.member, fresh.member] })
    expect([activeOf(registry), fresh.ids()]).toEqual([['old', 'new'], ['orders-5']])
    fresh.put(2)
    await pass(10)
    expect(recording.last).toBe('1old 2new 5')
    await registry.reconfigure({ mode: 'priority', members: [fresh.member] })
    await pass(10)
    expect(recording.last).toBe('2new 5')
    expect([old.registry.state, old.ids(), fresh.ids()]).toEqual(['connected', ['orders-1'], ['orders-2', 'orders-5']])
    await registration.deregister()
    await registry.close()
    expect([fresh.registry.state, fresh.ids()]).toEqual(['connected', ['orders-2']])
    await Promise.all([old.registry.close(), fresh.registry.close()])
  })

  test('applies a new order at once, and keeps the health of members', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    const registry = createTestRegistry([a, b])
    await pass(100)
    const { healthySince } = registry.status().members[0] ?? {}
    await pass(500)
    await registry.reconfigure({
      members: [
        { ...a.member, priority: 2 },
        { ...b.member, name: 'renamed', priority: 1 },
      ],
    })
    expect(activeOf(registry)).toEqual(['renamed'])
    expect(registry.status().members[1]).toMatchObject({ name: 'a', healthySince })
    await registry.close()
  })

  test('is refused as a whole for an invalid option or once closed', async () => {
    const a = createTestMember('a')
    const registry = createTestRegistry([a])
    await expect(registry.reconfigure({ members: [] })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'members' })
    await expect(registry.reconfigure({ name: 'x' } as never)).rejects.toMatchObject({ field: 'name' })
    await expect(registry.reconfigure({ mode: 'migration', writeTo: 'active' })).rejects.toMatchObject({ field: 'writeTo' })
    expect(registry.status().mode).toBe('priority')
    await registry.close()
    await expect(registry.reconfigure({})).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('without a member for writes, registrations fail with an error', async () => {
    const a = createTestMember('a')
    const registry = createTestRegistry([a])
    const registration = await registry.register(plainSpec('orders', 1))
    await registry.reconfigure({ members: [{ ...a.member, write: false }] })
    expect(registration).toMatchObject({ state: 'failed', lastError: { code: 'SD_UNSUPPORTED' } })
    expect([a.ids(), registry.capabilities.register, registry.capabilities.ttl]).toEqual([[], false, false])
    await expect(registry.register(plainSpec('orders', 2))).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
    await expect(registry.deregister('orders', 'x')).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
    await registry.close()
  })
})

describe('closing', () => {
  test('has a time limit with a member that hangs in everything', async () => {
    const a = createTestMember('a')
    const hanging = { ...a, member: { registry: createHangingRegistry('hanging') } }
    const registry = createTestRegistry([hanging, a], { mode: 'migration' })
    const recording = record(registry)
    const [registration] = await Promise.all([registry.register(plainSpec('orders', 1)), pass(1_000)])
    let closed = false
    const closing = registry.close().then(() => {
      closed = true
    })
    expect([registry.state, registration.state]).toEqual(['closed', 'closed'])
    await pass(2_000)
    expect(closed).toBe(true)
    await closing
    expect([a.ids(), recording.steps.length > 0, vi.getTimerCount()]).toEqual([[], true, 0])
  })

  test('ends a register call that still waits', async () => {
    const a = createTestMember('a')
    a.store.setAvailable(false)
    const registry = createTestRegistry([a])
    const refused = expect(registry.register(plainSpec('orders', 1))).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await pass(100)
    await registry[Symbol.asyncDispose]()
    await refused
  })
})

describe('a member that another owner closed', () => {
  test('is unreachable, and its registrations are not restored', async () => {
    const [a, b] = [createTestMember('a'), createTestMember('b')]
    a.put(1)
    b.put(2)
    const registry = createTestRegistry([a, b])
    const recording = record(registry)
    const registration = await registry.register(plainSpec('orders', 3))
    await pass(10)
    await a.registry.close()
    await pass(5_000)
    expect([activeOf(registry), recording.last, registration.state]).toEqual([['b'], '2b 3', 'active'])
    expect(registry.status().members[0]?.lastError?.code).toBe('SD_CLOSED')
    await registry.close()
  })
})

test('a capability that a member lacks is absent', async () => {
  const a = createTestMember('a')
  const poll = createHangingRegistry('poll')
  Object.assign(poll, { capabilities: { ...poll.capabilities, register: false, watch: 'poll', listServices: false } })
  const registry = createTestRegistry([a, { ...a, member: { registry: poll } }], { mode: 'migration' })
  expect(registry.capabilities).toEqual({
    register: true,
    watch: 'poll',
    listServices: false,
    ttl: true,
    conditionalRemove: true,
    healthChecks: false,
  })
  await expect(registry.listServices()).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
  await expect(registry.watchServices()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
  await expect(registry.watchAll()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
  await Promise.all([registry.close(), pass(5_000)])
})

test("of one id in two places the best member's instance is used, and the other is reported once", async () => {
  const [a, b] = [createTestMember('a'), createTestMember('b')]
  const place = { service: 'orders', id: 'x', port: 80 }
  for (const [member, address] of [
    [a, '10.0.0.1'],
    [b, '10.0.0.2'],
  ] as const) {
    member.store.put(createServiceInstance({ ...place, address }), '1')
  }
  const reported: string[] = []
  const stop = subscribeTelemetry('sd:v1:backend:operation', ({ operation, error }) => {
    if (operation === 'decode' && error) reported.push(error.message)
  })
  const registry = createTestRegistry([a, b], { mode: 'migration', name: 'both' })
  const recording = record(registry)
  await pass(100)
  b.put(1)
  await pass(100)
  expect(recording.steps.length).toBeGreaterThan(0)
  expect(reported).toEqual(['both lists instance x of orders twice: 10.0.0.2:80 is ignored in favour of 10.0.0.1:80'])
  stop()
  await Promise.all([registry.close(), pass(5_000)])
})

test('all services of a migration are those of both members', async () => {
  const [a, b] = [createTestMember('a'), createTestMember('b')]
  const registry = createTestRegistry([a, b], { mode: 'migration' })
  expect(registry.capabilities.watchAll).toBe(true)
  a.put(1)
  b.put(1)
  b.put(2)
  const all = registry.watchAll()[Symbol.asyncIterator]()
  const found = all.next()
  await pass(1_000)
  const services = (await found).value?.value as AllServices
  expect([...services.keys()]).toEqual(['orders'])
  expect(services.get('orders')?.instances.map(({ id, address }) => [id, address])).toEqual(
    (await registry.getInstances('orders')).instances.map(({ id, address }) => [id, address]),
  )
  await all.return?.()
  await Promise.all([registry.close(), pass(5_000)])
})

test('invalid options are refused', async () => {
  const { member, registry } = createTestMember('a')
  const source = Object.assign(createHangingRegistry('dns'), { capabilities: { ...registry.capabilities, register: false } })
  for (const [field, options] of Object.entries({
    members: { members: [{ ...member, read: false }] },
    'members[0].registry': { members: [{}] },
    'members[0].registry.ping': { members: [{ registry: { ...registry, ping: 1 } }] },
    'members[1].registry': { members: [member, { ...member, name: 'b' }] },
    'members[1].name': { members: [member, { registry: source, name: 'a' }] },
    'members[0].write': { members: [{ registry: source, write: true }] },
    'members[0].priority': { members: [{ ...member, priority: -1 }] },
    'members[0].weight': { members: [{ ...member, weight: 1 }] },
    mode: { members: [member], mode: 'x' },
    failAfterMs: { members: [member], failAfterMs: -1 },
    probeIntervalMs: { members: [member], probeIntervalMs: 0 },
    requireAll: { members: [member], requireAll: 1 },
    closeMembers: { members: [member], closeMembers: 1 },
    name: { members: [member], name: '' },
    prio: { members: [member], prio: 1 },
  })) {
    expect(() => createFailoverRegistry(options as never), field).toThrow(expect.objectContaining({ field }))
  }
  await registry.close()
})
