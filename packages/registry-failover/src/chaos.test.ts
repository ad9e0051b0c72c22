import type { Registration } from '@sd/core'
import { createSeededRandom, plainSpec } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { FailoverMode, FailoverRegistry } from './index.ts'
import { createTestMember, createTestRegistry, record, type TestMember } from './testing/members.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const ignore = (): void => {}

/** Every member always contains this instance of another process, so that no watch may ever be empty. */
const permanent = 99

/** Random outages, lost data, registrations and reconfigurations, reproducible by seed. */
function createChaos(seed: number, registry: FailoverRegistry, members: readonly TestMember[]) {
  const random = createSeededRandom(seed)
  const draw = (count: number): number => Math.floor(random() * count)
  const registrations = new Map<number, Registration>()
  const running: Promise<unknown>[] = []

  function loseInstances(member: TestMember | undefined): void {
    for (const id of member?.ids() ?? []) if (id !== `orders-${permanent}`) member?.store.remove('orders', id)
  }

  async function register(index: number): Promise<void> {
    registrations.set(index, await registry.register(plainSpec('orders', index), { whenUnavailable: 'recover' }))
  }

  function reconfigure(): Promise<void> {
    const mode: FailoverMode = draw(2) === 0 ? 'priority' : 'migration'
    const some = members.filter(() => draw(5) < 3)
    return registry.reconfigure({
      mode,
      writeTo: mode === 'priority' && draw(2) === 0 ? 'active' : 'all',
      members: (some.length > 0 ? some : members).map(({ member }) => ({ ...member, priority: draw(3) })),
    })
  }

  const actions: readonly (() => unknown)[] = [
    () => members[draw(members.length)]?.store.setAvailable(false),
    () => members[draw(members.length)]?.store.setAvailable(true),
    () => loseInstances(members[draw(members.length)]),
    () => register(draw(5)),
    () => register(draw(5)),
    () => registrations.get(draw(5))?.update({ weight: 1 + draw(9) }),
    () => registrations.get(draw(5))?.deregister(),
    () => reconfigure(),
  ]

  return {
    registrations,
    running,
    async step(): Promise<void> {
      running.push(Promise.resolve(actions[draw(actions.length)]?.()).catch(ignore))
      await vi.advanceTimersByTimeAsync(draw(1_500))
    },
  }
}

describe('after any failures each instance is on its members', () => {
  test.each(Array.from({ length: 40 }, (_, index) => index + 1))('seed %i', async (seed) => {
    const members = [createTestMember('a'), createTestMember('b'), createTestMember('c')]
    for (const member of members) member.put(permanent)
    const registry = createTestRegistry(members, { closeMembers: false, failAfterMs: 1_000, returnAfterMs: 1_000 })
    const recording = record(registry)
    const { registrations, running, step } = createChaos(seed, registry, members)
    await vi.advanceTimersByTimeAsync(100)
    for (let count = 0; count < 60; count++) await step()
    for (const { store } of members) store.setAvailable(true)
    await vi.advanceTimersByTimeAsync(120_000)
    await Promise.all(running)

    const open = [...registrations.values()].filter(({ state }) => state !== 'closed')
    expect(open.filter(({ state }) => state !== 'active')).toEqual([])
    const wanted = open.map(({ instance: { id, weight } }) => [id, weight]).concat([[`orders-${permanent}`, 1]])
    for (const { registry: member, store } of members) {
      const isWritten = registry.status().members.some(({ name, registers }) => name === member.name && registers)
      const found = store.list('orders').instances.map(({ id, weight }) => [id, weight])
      expect(found.sort(), member.name).toEqual(isWritten ? wanted.sort() : [[`orders-${permanent}`, 1]])
    }
    const { instances } = await registry.getInstances('orders')
    expect(recording.last?.split(' ')).toHaveLength(instances.length)
    expect(recording.steps.filter((text) => text === '' || text === '!')).toEqual([])

    await Promise.all([registry.close(), vi.advanceTimersByTimeAsync(10_000)])
    for (const { ids } of members) expect(ids()).toEqual([`orders-${permanent}`])
    for (const { registry: member, store } of members) {
      await member.close()
      store.clear()
    }
    await vi.advanceTimersByTimeAsync(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })
})
