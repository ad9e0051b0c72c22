import { createServiceInstance, createSnapshot, type ServiceSnapshot } from '@sd/core'
import { createMemoryRegistry } from '@sd/registry-memory'
import { plainSpec } from '@sd/testing'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createDiscovery } from './index.ts'
import { ListGuard } from './list-guard.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface Given {
  readonly ttlMs?: number
  readonly health?: 'draining'
  readonly port?: number
}

function listOf(ids: string, given: Readonly<Record<string, Given>> = {}): ServiceSnapshot {
  const instances = [...ids].map((id) =>
    createServiceInstance({
      service: 'orders',
      id,
      address: '10.0.0.1',
      port: 1_000 + id.charCodeAt(0),
      ttlMs: 10_000,
      ...given[id],
    }),
  )
  return createSnapshot({ service: 'orders', instances })
}

function start(holdMs?: number, left: readonly string[] = []) {
  const onExpire = vi.fn()
  const guard = new ListGuard({ holdMs, hasLeft: (id) => left.includes(id), onExpire })
  const show = (ids: string, given?: Readonly<Record<string, Given>>): string => {
    const { instances, held } = guard.accept(listOf(ids, given))
    return `${instances.map(({ id }) => id).join('')}${held ? ` held ${held.instanceIds.join('')}` : ''}`
  }
  return { guard, onExpire, show }
}

describe('a list is shown', () => {
  test.each<[string, readonly string[], string, string[]?]>([
    ['unchanged, if half of it is lost', ['abcd', 'ab'], 'ab'],
    ['unchanged, if one of two is lost', ['ab', 'a'], 'a'],
    ['with held instances, if more than half is lost', ['abcd', 'a'], 'abcd held bcd'],
    ['with held instances, if all are lost', ['ab', ''], 'ab held ab'],
    ['with a held instance, if the only one is lost', ['a', ''], 'a held a'],
    ['with held instances from the collapse on, if they are lost one by one', ['abcde', 'abcd', 'abc', 'ab', 'a'], 'abc held bc'],
    ['unchanged, if others replace the lost ones', ['abcd', 'efgh'], 'efgh'],
    ['unchanged, in a rolling deployment', ['abc', 'abcx', 'bcx', 'bcxy', 'cxy', 'cxyz', 'xyz'], 'xyz'],
    ['with held instances, if one replaces many', ['abcdefgh', 'x'], 'abcdefghx held abcdefgh'],
    ['unchanged, if the lost instances are listed again', ['abcd', '', 'abcd'], 'abcd'],
    ['with those held that are not listed again yet', ['abcd', '', 'a'], 'abcd held bcd'],
    ['unchanged, if it was empty before', ['', ''], ''],
    ['unchanged, if the lost instances were removed on purpose', ['abcd', 'a'], 'a', ['b', 'c', 'd']],
    ['with all held except those removed on purpose', ['abcdefgh', 'a'], 'abcdefg held bcdefg', ['h']],
    ['with held instances, if the first ones are lost one by one', ['abcde', 'bcde', 'cde', 'de', 'e'], 'cde held cd'],
    ['with the same held instances, if it is listed again without a change', ['abcd', '', ''], 'abcd held abcd'],
    ['unchanged, if new instances were listed before the old ones disappeared', ['abcd', 'abcdxyz', 'xyz'], 'xyz'],
    ['with held instances, if few are new', ['abcdefghij', 'abcdefghijxy', 'abxy'], 'abcdefghijxy held cdefghij'],
    ['without held instances, once half of them are listed again', ['abcde', '', 'abc'], 'abc'],
    ['with held instances, if less than half are listed again: they are not new', ['abcde', '', 'ab'], 'abcde held cde'],
    ['with held instances, if others that return are not new', ['abcfg', 'abc', 'abcfg', 'fg'], 'abcfg held abc'],
    ['unchanged, if one is lost after all were listed again', ['abcd', '', 'abcd', 'abc'], 'abc'],
    ['unchanged, if more are lost, but only new ones', ['abcd', 'abcdxyz', 'abcd', 'ab'], 'ab'],
    [
      'with held instances, if new ones were removed on purpose',
      ['abcd', 'abcdxyz', 'abcd', 'a'],
      'abcd held bcd',
      ['x', 'y', 'z'],
    ],
  ])('%s', (_, lists, expected, left = []) => {
    vi.advanceTimersByTime(60_000)
    const { guard, show } = start(undefined, left)
    expect(lists.map((ids) => show(ids)).at(-1)).toBe(expected)
    guard.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([
    ['with held instances, if new ones are listed for longer than a lease', ['abcd', 'abcdxyz'], 'xyz', 'abcdxyz held abcd'],
    ['unchanged, if others return after more than a lease: they are new', ['abcfg', 'abc'], 'abcfg fg', 'fg'],
  ])('%s', (_, before, after, expected) => {
    const { guard, show } = start()
    for (const ids of before) show(ids)
    vi.advanceTimersByTime(10_000)
    expect(
      after
        .split(' ')
        .map((ids) => show(ids))
        .at(-1),
    ).toBe(expected)
    guard.close()
  })

  test('unchanged, if the lost instances were draining or are listed under another id', () => {
    const { show } = start()
    show('abcd', { b: { health: 'draining' }, c: { health: 'draining' }, d: { health: 'draining' } })
    expect(show('a')).toBe('a')
    const { show: showOther } = start()
    showOther('ab')
    expect(showOther('xy', { x: { port: 1_097 }, y: { port: 1_098 } })).toBe('xy')
  })

  test('without a held instance whose place another one has, and with one entry per id', () => {
    const { guard, show } = start()
    show('abcdefgh')
    expect(show('x', { x: { port: 1_097 } })).toBe('bcdefghx held bcdefgh')
    expect(show('bx', { b: { port: 2_000 }, x: { port: 1_097 } })).toBe('bcdefghx held cdefgh')
    guard.close()
  })

  test('without held instances that the source reports as removed on purpose later', () => {
    const left: string[] = []
    const { guard, show } = start(undefined, left)
    show('abcd')
    expect(show('')).toBe('abcd held abcd')
    left.push('b')
    expect(show('')).toBe('acd held acd')
    guard.close()
  })

  test('with held instances, if it collapses from the list that was on disk, which never replaces one of the source', () => {
    const { guard, show } = start()
    guard.seed(listOf('abcd'))
    expect(show('a')).toBe('abcd held bcd')
    const other = start()
    other.show('ab')
    other.guard.seed(listOf('abcdefgh'))
    expect(other.guard.listed?.instances).toHaveLength(2)
    expect(other.show('a')).toBe('a')
    guard.close()
  })

  test('unchanged, if it loses less than half of its instances per lease', () => {
    const { show } = start()
    show('abcd')
    for (const ids of ['abc', 'ab']) {
      expect(show(ids)).toBe(ids)
      vi.advanceTimersByTime(10_000)
    }
    expect(show('a')).toBe('a')
  })
})

describe('held instances', () => {
  test.each<[string, number | undefined, number | undefined, number]>([
    ['twice their lease', undefined, 10_000, 20_000],
    ['30 s if they have none', undefined, undefined, 30_000],
    ['5 minutes at most', undefined, 86_400_000, 300_000],
    ['the option', 1_000, 10_000, 1_000],
  ])('are kept for %s', (_, holdMs, ttlMs, expectedMs) => {
    const { guard, onExpire } = start(holdMs)
    const instances = listOf('ab').instances.map(({ ttlMs: _, ...rest }) => ({ ...rest, ...(ttlMs && { ttlMs }) }))
    guard.accept(createSnapshot({ service: 'orders', instances }))
    const { held } = guard.accept(listOf(''))
    expect(held).toMatchObject({ since: Date.now(), until: Date.now() + expectedMs, instanceIds: ['a', 'b'] })
    expect(held?.reason).toMatch(/^the list lost 2 of 2 instances within \d+ ms/)
    vi.advanceTimersByTime(expectedMs - 1)
    expect(onExpire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect([onExpire.mock.calls.length, guard.isHolding, guard.listed?.instances]).toEqual([1, false, []])
  })

  test('are kept while the source is unreachable, and for the hold time after that', () => {
    const { guard, show, onExpire } = start()
    show('ab')
    show('')
    guard.pause()
    vi.advanceTimersByTime(100_000)
    expect(guard.accept(listOf('')).held).toMatchObject({ since: Date.now() - 100_000, until: Date.now() + 20_000 })
    vi.advanceTimersByTime(19_999)
    expect(onExpire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onExpire).toHaveBeenCalledOnce()
  })

  test('are kept until the same time, for the same reason, whatever else is listed; further losses change the reason', () => {
    const { guard, onExpire } = start()
    guard.accept(listOf('abcdef'))
    const { held } = guard.accept(listOf('ab'))
    vi.advanceTimersByTime(5_000)
    expect(guard.accept(listOf('ab')).held).toEqual(held)
    const { reason, ...about } = guard.accept(listOf('a')).held ?? {}
    expect(reason).toMatch(/^the list lost 5 of 6 instances/)
    expect(about).toMatchObject({ since: held?.since, until: held?.until })
    vi.advanceTimersByTime(14_999)
    expect(onExpire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onExpire).toHaveBeenCalledOnce()
  })

  test('that are listed again leave no timer, and the next collapse is another one', () => {
    const { guard, show } = start()
    show('ab')
    show('')
    show('ab')
    expect([guard.isHolding, vi.getTimerCount()]).toEqual([false, 0])
    vi.advanceTimersByTime(60_000)
    expect(guard.accept(listOf('')).held).toMatchObject({ since: Date.now(), until: Date.now() + 20_000 })
    guard.close()
  })

  test('that expired do not count as lost', () => {
    const { guard, show, onExpire } = start(1_000)
    show('abcdefgh')
    expect(show('abc')).toBe('abcdefgh held defgh')
    vi.advanceTimersByTime(1_000)
    expect([onExpire.mock.calls.length, show('ab')]).toEqual([1, 'ab'])
    guard.close()
  })

  test('do not exist if the hold time is 0, or once it is set to 0', () => {
    const off = start(0)
    expect([off.show('ab'), off.show('')]).toEqual(['ab', ''])
    const { guard, show, onExpire } = start()
    show('ab')
    show('')
    guard.configure(0)
    expect([onExpire.mock.calls.length, show('ab'), show('')]).toEqual([1, 'ab', ''])
    guard.configure(0)
    expect(onExpire).toHaveBeenCalledOnce()
  })

  test('stay if the hold time changes to another one', () => {
    const { guard, show, onExpire } = start()
    show('ab')
    show('')
    guard.configure(60_000)
    expect([onExpire.mock.calls.length, show('')]).toEqual([0, 'ab held ab'])
    guard.close()
  })
})

test('for any lists: all listed instances are shown, no listed or removed one is held, and none for longer than the hold time', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('list' as const), ids: fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 8 }) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 8_000 }) }),
  )
  let heldOnce = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.subarray([...'abcdefgh']), (steps, left) => {
      const { guard } = start(undefined, left)
      let shown: ServiceSnapshot = listOf('')
      for (const one of steps) {
        if (one.kind === 'pass') {
          vi.advanceTimersByTime(one.ms)
          continue
        }
        shown = guard.accept(listOf(one.ids.join('')))
        const ids = shown.instances.map(({ id }) => id)
        const held = shown.held?.instanceIds ?? []
        if (held.length > 0) heldOnce++
        expect(ids).toEqual([...new Set([...one.ids, ...held])].sort())
        for (const id of held) expect([one.ids.includes(id), left.includes(id)]).toEqual([false, false])
        if (shown.held) expect(shown.held.until - Date.now()).toBeLessThanOrEqual(20_000)
      }
      vi.advanceTimersByTime(20_000)
      expect(guard.isHolding).toBe(false)
      guard.close()
    }),
    { seed: 3, numRuns: 500 },
  )
  expect(heldOnce).toBeGreaterThan(50)
})

describe('through discovery', () => {
  test('a registry that lost all data fails no call: instances stay, shown as held, until they register again', async () => {
    const registry = createMemoryRegistry({ ttlMs: 10_000 })
    await using discovery = createDiscovery({ source: registry })
    for (let index = 0; index < 4; index++) await registry.register(plainSpec('orders', index))
    const cluster = discovery.cluster('orders')
    await cluster.ready()
    const events: (number | undefined)[] = []
    const stop = discovery.subscribe('orders', ({ snapshot }) => events.push(snapshot.held?.instanceIds.length))
    registry.store.clear()
    await vi.advanceTimersByTimeAsync(200)
    expect(cluster.view.endpoints).toHaveLength(4)
    expect(cluster.explain().held).toMatchObject({ instanceIds: ['orders-0', 'orders-1', 'orders-2', 'orders-3'] })
    expect(discovery.statistics().byService.get('orders')).toMatchObject({ held: 4, instances: 4 })
    await vi.advanceTimersByTimeAsync(5_000)
    expect([cluster.explain().held, cluster.view.endpoints.length]).toEqual([undefined, 4])
    expect([events[0], events.includes(4), events.at(-1)]).toEqual([undefined, true, undefined])
    stop()
    await registry.close()
  })

  test('a held instance that refuses connections is out and does not cause a panic', async () => {
    const registry = createMemoryRegistry({ ttlMs: 10_000 })
    await using discovery = createDiscovery({ source: registry })
    for (let index = 0; index < 4; index++)
      registry.store.put(createServiceInstance({ ...plainSpec('orders', index), ttlMs: 1e6 }), 'x')
    const cluster = discovery.cluster('orders')
    await cluster.ready()
    const endpoints = cluster.view.endpoints
    registry.store.clear()
    registry.store.put(endpoints[0]?.instance as never, 'x')
    await vi.advanceTimersByTimeAsync(200)
    for (const endpoint of endpoints.slice(1)) {
      endpoint.acquire()
      endpoint.release({ ok: false, sent: false, error: new Error('refused'), status: undefined, startedAt: performance.now() })
    }
    await vi.advanceTimersByTimeAsync(200)
    expect([cluster.explain().isPanic, cluster.view.endpoints.map(({ instance }) => instance.id)]).toEqual([false, ['orders-0']])
    await registry.close()
  })

  test.each([
    [
      'removed through the same registry',
      async (registry: ReturnType<typeof createMemoryRegistry>) => void (await registry.close()),
    ],
  ])('what was %s is believed at once', async (_, remove) => {
    const registry = createMemoryRegistry()
    await using discovery = createDiscovery({ source: createMemoryRegistry({ store: registry.store }) })
    for (let index = 0; index < 4; index++) await registry.register(plainSpec('orders', index))
    const cluster = discovery.cluster('orders')
    await cluster.ready()
    await remove(registry)
    await vi.advanceTimersByTimeAsync(200)
    expect(cluster.view.endpoints).toEqual([])
  })
})
