import type { Balancer, Endpoint, PickRequest } from '@sd/core'
import { balancerContract, createSeededRandom, createTestEndpoints, createTestView } from '@sd/testing'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cookieKey, createStickyBalancer, type StickyBalancer } from './index.ts'
import type { StickyPicker } from './sticky-picker.ts'

/** Picks the next available endpoint. */
const rotation: Balancer = {
  name: 'rotation',
  createPicker({ endpoints, weights }) {
    let last = -1
    return {
      pick({ attempted }) {
        for (let step = 0; step < endpoints.length; step++) {
          last = (last + 1) % endpoints.length
          const endpoint = endpoints[last] as Endpoint
          if (endpoint.available && (weights[last] as number) > 0 && !attempted?.includes(endpoint)) return endpoint
        }
        return undefined
      },
    }
  },
}

const none = { hits: 0, started: 0, moved: 0, diverted: 0, expired: 0, evicted: 0, unkeyed: 0 }

function user(number: number): PickRequest {
  return { hashKey: `user-${number}` }
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('balancer contract, each pick in its own session', () => {
  let sessions = 0
  const create = (): StickyBalancer =>
    createStickyBalancer({ balancer: rotation, maxSessions: 100, key: () => `session-${sessions++}` })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

describe('balancer contract, without sessions', () => {
  const create = (): StickyBalancer => createStickyBalancer({ balancer: rotation, key: () => undefined })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

describe('sessions', () => {
  test('stay at the endpoint of their first request', () => {
    const balancer = createStickyBalancer({ balancer: rotation })
    const picker = balancer.createPicker(createTestView(createTestEndpoints([1, 1, 1])))
    const first = [0, 1, 2].map((number) => picker.pick(user(number)))
    expect(new Set(first).size).toBe(3)
    for (let round = 0; round < 5; round++) {
      for (const number of [2, 0, 1]) expect(picker.pick(user(number))).toBe(first[number])
    }
    expect(balancer.statistics()).toEqual({ ...none, started: 3, hits: 15 })
  })

  test('of different services are separate', () => {
    const balancer = createStickyBalancer({ balancer: rotation })
    const orders = createTestEndpoints([1], 'orders')
    const carts = createTestEndpoints([1], 'carts')
    const ordersPicker = balancer.createPicker(createTestView(orders))
    const cartsPicker = balancer.createPicker(createTestView(carts))
    expect(ordersPicker.pick(user(1))).toBe(orders[0])
    expect(cartsPicker.pick(user(1))).toBe(carts[0])
    expect(ordersPicker.pick(user(1))).toBe(orders[0])
    expect(balancer.statistics()).toEqual({ ...none, started: 2, hits: 1 })
  })

  test('stay across views, and move when their endpoint is removed', () => {
    const balancer = createStickyBalancer({ balancer: rotation })
    const endpoints = createTestEndpoints([1, 1, 1])
    const before = balancer.createPicker(createTestView(endpoints))
    const first = [0, 1, 2].map((number) => before.pick(user(number)))
    const after = balancer.createPicker(createTestView(endpoints.slice(1)), before)
    expect(after.pick(user(1))).toBe(first[1])
    expect(after.pick(user(2))).toBe(first[2])
    const moved = after.pick(user(0))
    expect(endpoints.slice(1)).toContain(moved)
    expect(after.pick(user(0))).toBe(moved)
    expect(balancer.statistics()).toEqual({ ...none, started: 3, moved: 1, hits: 3 })
  })

  test.each(['not available', 'without weight'])('move for good when their endpoint is %s', (reason) => {
    const balancer = createStickyBalancer({ balancer: rotation })
    const endpoints = createTestEndpoints([1, 1])
    let picker = balancer.createPicker(createTestView(endpoints))
    const first = picker.pick(user(1)) as Endpoint
    if (reason === 'not available') first.block('test')
    else picker = balancer.createPicker(createTestView(endpoints, [0, 1]), picker)
    const second = picker.pick(user(1))
    expect(second).toBe(endpoints[1])
    first.unblock('test')
    picker = balancer.createPicker(createTestView(endpoints), picker)
    expect(picker.pick(user(1))).toBe(second)
    expect(balancer.statistics()).toEqual({ ...none, started: 1, moved: 1, hits: 1 })
  })

  test('keep their endpoint while nothing is available', () => {
    const balancer = createStickyBalancer({ balancer: rotation })
    const endpoints = createTestEndpoints([1, 1])
    const picker = balancer.createPicker(createTestView(endpoints))
    const first = picker.pick(user(1))
    for (const endpoint of endpoints) endpoint.block('test')
    expect(picker.pick(user(1))).toBeUndefined()
    expect(picker.pick(user(2))).toBeUndefined()
    for (const endpoint of endpoints) endpoint.unblock('test')
    expect(picker.pick(user(1))).toBe(first)
    expect(balancer.statistics()).toEqual({ ...none, started: 1, hits: 1 })
  })

  test('a second attempt goes elsewhere, and the session stays', () => {
    const balancer = createStickyBalancer({ balancer: rotation })
    const endpoints = createTestEndpoints([1, 1, 1])
    const picker = balancer.createPicker(createTestView(endpoints))
    const first = picker.pick(user(1)) as Endpoint
    const attempted = [first]
    expect(picker.pick({ ...user(1), attempted })).not.toBe(first)
    expect(picker.pick(user(1))).toBe(first)
    expect(balancer.statistics()).toEqual({ ...none, started: 1, diverted: 1, hits: 1 })
  })

  test('end after the timeout without use', () => {
    let now = 1_000
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    const balancer = createStickyBalancer({ balancer: rotation, timeoutMs: 100 })
    const picker = balancer.createPicker(createTestView(createTestEndpoints([1, 1])))
    const first = picker.pick(user(1))
    picker.pick(user(2))
    for (let use = 0; use < 3; use++) {
      now += 100
      expect(picker.pick(user(1))).toBe(first)
    }
    now += 101
    picker.pick(user(1))
    expect(balancer.statistics()).toEqual({ ...none, started: 3, hits: 3, expired: 2 })
  })

  test('of a service that is no longer called end too, while others are called', () => {
    let now = 1_000
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    const balancer = createStickyBalancer({ balancer: rotation, timeoutMs: 100 })
    const idle = balancer.createPicker(createTestView(createTestEndpoints([1], 'idle')))
    const busy = balancer.createPicker(createTestView(createTestEndpoints([1], 'busy')))
    for (let number = 0; number < 50; number++) idle.pick(user(number))
    for (; now <= 1_125; now += 25) busy.pick(user(1))
    expect(balancer.statistics()).toMatchObject({ started: 51, expired: 50 })
    expect((idle as StickyPicker).sessions.size).toBe(0)
  })

  test('are dropped when the table is full, least recently used first', () => {
    const balancer = createStickyBalancer({ balancer: rotation, maxSessions: 2 })
    const picker = balancer.createPicker(createTestView(createTestEndpoints([1, 1, 1])))
    const first = picker.pick(user(1))
    picker.pick(user(2))
    expect(picker.pick(user(1))).toBe(first)
    picker.pick(user(3))
    expect(picker.pick(user(1))).toBe(first)
    expect(balancer.statistics()).toEqual({ ...none, started: 3, hits: 2, evicted: 1 })
    picker.pick(user(2))
    expect(balancer.statistics()).toEqual({ ...none, started: 4, hits: 2, evicted: 2 })
  })
})

test('requests with no key, an invalid one, or one that is too long are left to the inner balancer', () => {
  const balancer = createStickyBalancer({ balancer: rotation })
  const endpoints = createTestEndpoints([1, 1])
  const picker = balancer.createPicker(createTestView(endpoints))
  const requests: PickRequest[] = [{}, { hashKey: '' }, { hashKey: 'x'.repeat(1_025) }, { hashKey: 7 as never }]
  for (const request of requests) expect(picker.pick(request)).not.toBe(picker.pick(request))
  expect(balancer.statistics()).toEqual({ ...none, unkeyed: 8 })
})

test('the inner picker is kept and receives changes', () => {
  const received: Endpoint[] = []
  const previousPickers: unknown[] = []
  const inner: Balancer = {
    name: 'inner',
    createPicker({ endpoints }, previous) {
      previousPickers.push(previous)
      return { pick: () => endpoints[0], changed: (endpoint) => received.push(endpoint) }
    },
  }
  const balancer = createStickyBalancer({ balancer: inner })
  const endpoints = createTestEndpoints([1])
  const first = balancer.createPicker(createTestView(endpoints))
  const second = balancer.createPicker(createTestView(endpoints), first)
  expect(previousPickers[0]).toBeUndefined()
  expect(previousPickers[1]).toBeDefined()
  second.changed?.(endpoints[0] as Endpoint)
  expect(received).toEqual(endpoints)
  createStickyBalancer({ balancer: inner }).createPicker(createTestView(endpoints), second)
  expect(previousPickers[2], 'of another sticky balancer').toBeUndefined()
  expect(createStickyBalancer({ balancer: rotation }).createPicker(createTestView(endpoints)).changed).toBeUndefined()
  expect(balancer.name).toBe('sticky-inner')
})

test('for any sequence of uses, the table behaves like a plain list', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ key: fc.nat(9), waitMs: fc.nat(60) }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer(),
      (steps, maxSessions, seed) => {
        let now = 1_000
        const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
        const random = createSeededRandom(seed)
        const inner: Balancer = {
          name: 'any',
          createPicker: ({ endpoints }) => ({ pick: () => endpoints[Math.floor(random() * endpoints.length)] }),
        }
        const balancer = createStickyBalancer({ balancer: inner, maxSessions, timeoutMs: 100 })
        const picker = balancer.createPicker(createTestView(createTestEndpoints(new Array<number>(50).fill(1))))
        /** Most recently used last. */
        let model: { key: number; usedAt: number; endpoint: Endpoint | undefined }[] = []
        let hits = 0
        for (const { key, waitMs } of steps) {
          now += waitMs
          model = model.filter(({ usedAt }) => now - usedAt <= 100)
          const known = model.find((session) => session.key === key)
          const endpoint = picker.pick(user(key))
          if (known) {
            hits++
            expect(endpoint).toBe(known.endpoint)
          }
          model = [...model.filter((session) => session !== known), { key, usedAt: now, endpoint }].slice(-maxSessions)
        }
        const { started, expired, evicted, ...others } = balancer.statistics()
        expect(others).toEqual({ hits, moved: 0, diverted: 0, unkeyed: 0 })
        expect(started - expired - evicted).toBe(model.length)
        clock.mockRestore()
      },
    ),
  )
})

test('rejects invalid options', () => {
  expect(() => createStickyBalancer(undefined as never)).toThrow('Invalid options')
  expect(() => createStickyBalancer({} as never)).toThrow('Invalid balancer')
  expect(() => createStickyBalancer({ balancer: {} } as never)).toThrow('Invalid balancer.createPicker')
  expect(() => createStickyBalancer({ balancer: rotation, key: 'sid' as never })).toThrow('Invalid key')
  expect(() => createStickyBalancer({ balancer: rotation, timeoutMs: 0 })).toThrow('Invalid timeoutMs')
  expect(() => createStickyBalancer({ balancer: rotation, maxSessions: 0 })).toThrow('Invalid maxSessions')
  expect(() => createStickyBalancer({ balancer: rotation, cookie: 'sid' } as never)).toThrow('Invalid cookie: unknown field')
})

describe('a session started by a response', () => {
  const key = cookieKey('sid')
  const withCookie = (sid: string): object => ({ headers: { cookie: `sid=${sid}` } })

  test('goes to the endpoint that started it', () => {
    const balancer = createStickyBalancer({ balancer: rotation, key })
    const endpoints = createTestEndpoints([1, 1, 1])
    const picker = balancer.createPicker(createTestView(endpoints)) as StickyPicker
    for (let user = 0; user < 30; user++) {
      const login = picker.pick({ headers: {} }) as Endpoint
      picker.responded?.(login, { 'set-cookie': [`sid=${user}; Path=/`] })
      for (let more = 0; more < 3; more++) expect(picker.pick(withCookie(String(user)))).toBe(login)
    }
    expect(balancer.statistics()).toEqual({ ...none, unkeyed: 30, started: 30, hits: 90 })
  })

  test('does not move a known session, and other fields start none', () => {
    const balancer = createStickyBalancer({ balancer: rotation, key, maxSessions: 2 })
    const endpoints = createTestEndpoints([1, 1])
    const picker = balancer.createPicker(createTestView(endpoints)) as StickyPicker
    const [first, second] = endpoints as [Endpoint, Endpoint]
    picker.responded?.(second, { 'set-cookie': 'sid=a' })
    picker.responded?.(first, { 'set-cookie': 'sid=a' })
    picker.responded?.(first, { 'set-cookie': ['sid=; max-age=60', `sid=${'x'.repeat(2_000)}`] })
    picker.responded?.(first, {})
    expect(picker.pick(withCookie('a'))).toBe(second)
    expect(balancer.statistics()).toEqual({ ...none, started: 1, hits: 1 })
    for (const sid of ['b', 'c', 'd']) picker.responded?.(first, { 'set-cookie': `sid=${sid}` })
    expect(balancer.statistics()).toMatchObject({ started: 4, evicted: 2 })
  })

  test('the inner balancer receives responses, but only if it needs them', () => {
    const received: Endpoint[] = []
    const learning: Balancer = {
      name: 'learning',
      createPicker: ({ endpoints: [endpoint] }) => ({ pick: () => endpoint, responded: (one) => received.push(one) }),
    }
    const endpoints = createTestEndpoints([1])
    const view = createTestView(endpoints)
    createStickyBalancer({ balancer: learning })
      .createPicker(view)
      .responded?.(endpoints[0] as Endpoint, {})
    expect(received).toEqual(endpoints)
    expect(createStickyBalancer({ balancer: rotation }).createPicker(view).responded).toBeUndefined()
  })
})
