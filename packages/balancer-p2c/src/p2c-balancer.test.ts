import type { Endpoint } from '@sd/core'
import {
  assertDistribution,
  balancerContract,
  countPicks,
  createSeededRandom,
  createTestEndpoints,
  createTestView,
} from '@sd/testing'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createP2cBalancer } from './index.ts'

/** Virtual time, in milliseconds. */
let now = 1_000

function useVirtualTime(): void {
  now = 1_000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
}

afterEach(() => {
  vi.restoreAllMocks()
})

/** One request that took `latencyMs`, in virtual time. */
function serve(endpoint: Endpoint | undefined, latencyMs: number, ok = true): void {
  endpoint?.acquire()
  now += latencyMs
  endpoint?.release({ ok, latencyMs })
}

describe('balancer contract', () => {
  for (const { name, run } of balancerContract({ create: () => createP2cBalancer() })) test(name, run)
})

describe('shares', () => {
  function spread(weights: readonly number[], seed: number): void {
    const endpoints = createTestEndpoints(weights)
    const picker = createP2cBalancer({ random: createSeededRandom(seed), forcePickMs: 0 }).createPicker(createTestView(endpoints))
    assertDistribution(countPicks(picker, 50_000), endpoints, weights)
  }

  test('are equal for equal weights of idle endpoints', () => spread([1, 1, 1, 1, 1, 1, 1], 1))

  test('of idle endpoints follow any weights', () => {
    const weights = fc
      .array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 20 })
      .filter((list) => list.some((weight) => weight > 0))
    fc.assert(
      fc.property(weights, fc.integer(), (list, seed) => spread(list, seed)),
      { numRuns: 30, seed: 7 },
    )
  })

  test('of requests in flight follow the weights more evenly than by chance', () => {
    const weights = [1, 2, 3, 4]
    const endpoints = createTestEndpoints(weights)
    const picker = createP2cBalancer({ random: createSeededRandom(2) }).createPicker(createTestView(endpoints))
    for (let index = 0; index < 1_000; index++) picker.pick({})?.acquire()
    for (const [index, { active }] of endpoints.entries()) {
      expect(Math.abs(active - 100 * (weights[index] as number))).toBeLessThan(15)
    }
  })

  test('an endpoint of a tiny weight still has an alternative beside one of a huge weight', () => {
    const endpoints = createTestEndpoints([65_535, 1])
    const picker = createP2cBalancer({ random: createSeededRandom(3), forcePickMs: 0 }).createPicker(createTestView(endpoints))
    const [huge, tiny] = endpoints as [Endpoint, Endpoint]
    serve(huge, 100)
    serve(tiny, 1)
    expect(picker.pick({})).toBe(tiny)
  })

  test('go to the few available endpoints', () => {
    const endpoints = createTestEndpoints(new Array<number>(50).fill(1))
    const left = [endpoints[10], endpoints[35]]
    for (const endpoint of endpoints) if (!left.includes(endpoint)) endpoint.block('test')
    const picker = createP2cBalancer({ random: createSeededRandom(4) }).createPicker(createTestView(endpoints))
    const counts = countPicks(picker, 10_000)
    expect(counts.size).toBe(2)
    for (const count of counts.values()) expect(count).toBeGreaterThan(4_000)
  })

  /** Of two drawn endpoints, the earlier one in the list wins, because it is faster. */
  function spreadBySpeed(weights: readonly number[], wanted: readonly number[]): void {
    const endpoints = createTestEndpoints(weights)
    for (const [index, endpoint] of endpoints.entries()) serve(endpoint, index + 1)
    const random = createSeededRandom(9)
    const picker = createP2cBalancer({ random, forcePickMs: 0 }).createPicker(createTestView(endpoints))
    assertDistribution(countPicks(picker, 20_000), endpoints, wanted)
  }

  test('each pair is drawn as often as any other', () => spreadBySpeed([1, 1, 1, 1], [3, 2, 1, 0]))

  test('the second of a pair follows the weights too', () => {
    // The first is drawn by weight. The second is drawn until it differs, at most four times, and then is the next in the list.
    const second = (weight: number, first: number) => ((1 - first ** 4) * weight) / (1 - first)
    const fastest = 0.25 + 0.5 * second(0.25, 0.5) + 0.25 * (second(0.25, 0.25) + 0.25 ** 4)
    spreadBySpeed([1, 2, 1], [fastest, 1 - fastest, 0])
  })

  test('depend only on the numbers of the option', () => {
    const endpoints = createTestEndpoints([1, 1, 1, 1])
    const picksWith = (seed: number) => {
      const picker = createP2cBalancer({ random: createSeededRandom(seed) }).createPicker(createTestView(endpoints))
      return Array.from({ length: 50 }, () => picker.pick({})?.key)
    }
    expect(picksWith(5)).toEqual(picksWith(5))
    expect(picksWith(5)).not.toEqual(picksWith(6))
  })
})

describe('cost', () => {
  test('the faster and the less busy of two is picked', () => {
    useVirtualTime()
    const endpoints = createTestEndpoints([1, 1])
    const [first, second] = endpoints as [Endpoint, Endpoint]
    const picker = createP2cBalancer({ random: createSeededRandom(5) }).createPicker(createTestView(endpoints))
    serve(first, 10)
    serve(second, 25)
    expect(picker.pick({})).toBe(first)
    first.acquire()
    expect(picker.pick({})).toBe(first)
    first.acquire()
    expect(picker.pick({})).toBe(second)
  })

  test('endpoints of weight 0 do not change the cost of an active request', () => {
    useVirtualTime()
    const endpoints = createTestEndpoints([1, 1, 0, 0])
    const [busy, idle] = endpoints as [Endpoint, Endpoint]
    const picker = createP2cBalancer({ random: createSeededRandom(5) }).createPicker(createTestView(endpoints))
    serve(busy, 10)
    serve(idle, 18)
    busy.acquire()
    expect(picker.pick({})).toBe(idle)
  })

  test('a new endpoint gets one request at a time until it has responded', () => {
    useVirtualTime()
    const endpoints = createTestEndpoints([1, 1, 1])
    for (const endpoint of endpoints.slice(1)) serve(endpoint, 5)
    const [unknown] = endpoints as [Endpoint]
    const picker = createP2cBalancer({ random: createSeededRandom(6) }).createPicker(createTestView(endpoints))
    let sent = 0
    for (let index = 0; index < 300; index++) {
      const picked = picker.pick({})
      if (picked === unknown) sent++
      picked?.acquire()
    }
    expect(sent).toBe(1)
    unknown.release({ ok: true, latencyMs: 5 })
    for (let index = 0; index < 300; index++) picker.pick({})?.acquire()
    expect(unknown.active).toBeGreaterThan(100)
  })

  test('a host that fails fast gets less than 2 %', () => {
    useVirtualTime()
    const endpoints = createTestEndpoints(new Array<number>(10).fill(1))
    const [broken] = endpoints
    const picker = createP2cBalancer({ random: createSeededRandom(7) }).createPicker(createTestView(endpoints))
    let failed = 0
    for (let index = 0; index < 10_000; index++) {
      const picked = picker.pick({})
      if (picked === broken) failed++
      serve(picked, picked === broken ? 0.5 : 5, picked !== broken)
    }
    expect(failed).toBeGreaterThan(0)
    expect(failed).toBeLessThan(200)
  })
})

describe('forced pick', () => {
  /** Picks once per millisecond of virtual time for a minute. Returns how often the slow one of ten was picked. */
  function countSlow(forcePickMs: number): number {
    useVirtualTime()
    const endpoints = createTestEndpoints(new Array<number>(10).fill(1))
    for (const [index, endpoint] of endpoints.entries()) serve(endpoint, index === 0 ? 1_000 : 1)
    const view = createTestView(endpoints)
    const balancer = createP2cBalancer({ random: createSeededRandom(8), forcePickMs })
    let picker = balancer.createPicker(view)
    let count = 0
    for (let index = 0; index < 60_000; index++) {
      now++
      // A new view now and then must not postpone the forced pick.
      if (index % 1_000 === 0) picker = balancer.createPicker(view, picker)
      if (picker.pick({}) === endpoints[0]) count++
    }
    return count
  }

  test('tries an endpoint again every 3 s', () => {
    const count = countSlow(3_000)
    expect(count).toBeGreaterThanOrEqual(18)
    expect(count).toBeLessThanOrEqual(20)
  })

  /** Picks once per millisecond until the first of two endpoints is picked. @returns after how long, in milliseconds */
  function waitForFirst(endpoints: readonly Endpoint[], isProbe: (index: number) => boolean = () => false): number {
    const picker = createP2cBalancer({ random: createSeededRandom(3) }).createPicker(createTestView(endpoints))
    for (let index = 1; index < 10_000; index++) {
      now++
      const picked = picker.pick({ isProbe: isProbe(index) })
      if (picked === endpoints[0] && !isProbe(index)) return index
    }
    return Number.POSITIVE_INFINITY
  }

  test.each<[string, number, readonly boolean[]]>([
    ['after a second, if it failed once', 1_000, [true, false]],
    ['after two seconds, if it failed twice', 2_000, [true, false, false]],
    ['after three seconds, if it failed more often', 3_000, [true, false, false, false, false]],
    ['after a second, if one response was slow', 1_000, [true, true]],
  ])('tries again %s', (_, expectedMs, outcomes) => {
    useVirtualTime()
    const endpoints = createTestEndpoints([1, 1])
    const [first, second] = endpoints as [Endpoint, Endpoint]
    for (const [index, ok] of outcomes.entries()) serve(first, index === 0 ? 10 : ok ? 100 : 1, ok)
    serve(second, 10)
    const waitedMs = waitForFirst(endpoints)
    // The clock is read at every 32nd pick.
    expect(waitedMs).toBeGreaterThanOrEqual(expectedMs)
    expect(waitedMs).toBeLessThan(expectedMs + 40)
  })

  test.each([0, 1])('ignores calls that only check whether an endpoint is available (%i)', (turn) => {
    useVirtualTime()
    const endpoints = createTestEndpoints([1, 1])
    const [slow, fast] = endpoints as [Endpoint, Endpoint]
    serve(slow, 1_000)
    serve(fast, 1)
    expect(waitForFirst(endpoints, (index) => index % 2 === turn)).toBeLessThan(3_050)
  })

  test('is not needed for an endpoint that is due for a trial', () => {
    useVirtualTime()
    const endpoints = createTestEndpoints([1, 1])
    const [first, second] = endpoints as [Endpoint, Endpoint]
    for (let count = 0; count < 5; count++) serve(first, 1, false)
    serve(second, 1)
    first.block('test', { reason: 'unreachable', isTrial: true })
    expect(waitForFirst(endpoints)).toBe(1)
  })

  test('can be disabled', () => expect(countSlow(0)).toBe(0))

  test('keeps time with few picks too', () => {
    useVirtualTime()
    const endpoints = createTestEndpoints([1, 1])
    const [slow, fast] = endpoints as [Endpoint, Endpoint]
    serve(slow, 1_000)
    serve(fast, 1)
    const picker = createP2cBalancer({ forcePickMs: 10_000 }).createPicker(createTestView(endpoints))
    const picked: (Endpoint | undefined)[] = []
    for (let index = 0; index < 12; index++) {
      now += 1_000
      picked.push(picker.pick({}))
    }
    expect(picked.indexOf(slow)).toBe(10)
    expect(picked.lastIndexOf(slow)).toBe(10)
  })
})

describe('the clock', () => {
  function countLooks(picks: number, msPerPick: number): number {
    useVirtualTime()
    const picker = createP2cBalancer().createPicker(createTestView(createTestEndpoints([1, 1, 1])))
    for (let index = 0; index < 100; index++) picker.pick({})
    const clock = vi.mocked(performance.now)
    clock.mockClear()
    for (let index = 0; index < picks; index++) {
      now += msPerPick
      picker.pick({})
    }
    return clock.mock.calls.length
  }

  test('is read at every 32nd pick while picks are fast', () => expect(countLooks(3_200, 0.01)).toBe(100))

  test('is read at every pick while picks are slow', () => expect(countLooks(1_000, 10)).toBeGreaterThan(960))
})

test('rejects invalid options', () => {
  expect(() => createP2cBalancer({ random: 1 as never })).toThrow('Invalid random: got 1, want a function')
  expect(() => createP2cBalancer({ forcePickMs: -1 })).toThrow('Invalid forcePickMs')
  expect(() => createP2cBalancer({ decayMs: 1 } as never)).toThrow('Invalid decayMs: unknown field')
})
