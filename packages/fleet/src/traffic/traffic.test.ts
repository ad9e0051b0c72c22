import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countsOf, createSnapshotOf, type SnapshotParts } from '../testing/snapshots.ts'
import { quantile } from './latency.ts'
import { STEP_MS, TrafficRing, TrafficSum } from './traffic-ring.ts'
import { TrafficStore } from './traffic-store.ts'

const start = 1_800_000_000_000
const minute = 60_000

describe('quantile', () => {
  test('is interpolated within its bucket', () => {
    // 10 responses of at most 1 ms, and 10 of 5 to 10 ms.
    const buckets = [10, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    expect([quantile(buckets, 0.25), quantile(buckets, 0.5), quantile(buckets, 0.75)]).toEqual([0.5, 1, 7.5])
  })

  test('is the last bound above it, and undefined without responses', () => {
    expect(quantile([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3], 0.5)).toBe(10_000)
    expect(quantile([], 0.5)).toBeUndefined()
  })

  test('grows with the share', () => {
    const bucket = fc.integer({ min: 0, max: 1_000 })
    fc.assert(
      fc.property(fc.array(bucket, { minLength: 14, maxLength: 14 }), (buckets) => {
        const values = [0.1, 0.5, 0.9, 0.99].map((share) => quantile(buckets, share) ?? 0)
        expect(values).toEqual(values.toSorted((a, b) => a - b))
      }),
    )
  })
})

describe('TrafficRing', () => {
  const totalAt = (ring: TrafficRing, now: number): number => {
    const sum = new TrafficSum()
    ring.addTo(sum, now)
    return sum.toTraffic(minute).total
  }

  test('has the last minute, and forgets what is older', () => {
    const ring = new TrafficRing(61)
    ring.add(countsOf('a', 10), start, start + 1_000)
    ring.add(countsOf('a', 5), start + 40_000, start + 41_000)
    expect(totalAt(ring, start + 41_000)).toBe(15)
    expect(totalAt(ring, start + 62_000)).toBe(5)
    expect(totalAt(ring, start + 200_000)).toBe(0)
  })

  test('counts of a long time are spread evenly over it', () => {
    const ring = new TrafficRing(61)
    ring.add(countsOf('a', 120), start, start + 2 * minute)
    expect(totalAt(ring, start + 2 * minute - 1)).toBeCloseTo(60, 0)
  })

  test('the sum of all steps is what was added, however it is spread', () => {
    const step = fc.record({ total: fc.integer({ min: 0, max: 1_000 }), after: fc.integer({ min: 1, max: 20_000 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        const ring = new TrafficRing(200)
        let at = start
        for (const { total, after } of steps) {
          ring.add(countsOf('a', total), at, at + after)
          at += after
        }
        const sum = new TrafficSum()
        for (let number = 0; number < 200; number++) ring.addStep(sum, Math.floor(at / STEP_MS) - number)
        const expected = steps.reduce((all, { total }) => all + total, 0)
        expect(Math.abs(sum.toTraffic(minute).total - expected)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('different codes are bounded', () => {
    const ring = new TrafficRing(13)
    const failed = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`E${index}`, 1]))
    ring.add(countsOf('a', 100, 4, { failed, refused: { 'breaker a': 2 } }), start, start)
    const sum = new TrafficSum()
    ring.addTo(sum, start)
    const traffic = sum.toTraffic(minute)
    expect(Object.keys(traffic.failed)).toHaveLength(17)
    expect(traffic.failed['other']).toBe(84)
    expect(traffic.failedShare).toBe(1)
  })
})

describe('TrafficStore', () => {
  const take = (store: TrafficStore, at: number, parts: SnapshotParts, previous?: { parts: SnapshotParts; at: number }): void => {
    const snapshotAt = (given: SnapshotParts, now: number) => createSnapshotOf({ ...given, info: { ...given.info, now } })
    store.take({
      processId: 'p1',
      from: 'shop',
      nameOf: (name) => name,
      previous: previous && snapshotAt(previous.parts, previous.at),
      previousAt: previous?.at ?? at,
      current: snapshotAt(parts, at),
      at,
    })
  }
  const since = start - 3_600_000

  test('the first answer has only counts of the last minute', () => {
    const store = new TrafficStore(300_000)
    take(store, start, { since, edges: [countsOf('orders', 1_000_000)] })
    expect(store.edge('shop', 'orders', start).total).toBe(0)
    take(store, start, { since: start - 10_000, edges: [countsOf('stock', 50)] })
    expect(store.edge('shop', 'stock', start)).toMatchObject({ total: 50, perSecond: 5 })
  })

  test('the difference of two answers; a counter that got smaller began again', () => {
    const store = new TrafficStore(300_000)
    const first = { since, edges: [countsOf('orders', 100, 4, { failed: { A: 1 } }), countsOf('stock', 50)] }
    const second = {
      since,
      edges: [countsOf('orders', 130, 4, { failed: { A: 4, B: 1 }, refused: { limit: 2 }, retries: 3 }), countsOf('stock', 10)],
    }
    take(store, start, first)
    take(store, start + 2_000, second, { parts: first, at: start })
    expect(store.edge('shop', 'orders', start + 2_000)).toMatchObject({
      total: 30,
      failed: { A: 3, B: 1 },
      refused: { limit: 2 },
      retries: 3,
      meanMs: 4,
    })
    expect(store.pair('p1', 'stock', start + 2_000).total).toBe(10)
  })

  test('another process behind the same address adds nothing but what is new', () => {
    const store = new TrafficStore(300_000)
    const first = { since, edges: [countsOf('orders', 100)] }
    const other = { since: since - 5, info: { processId: 'p2' }, edges: [countsOf('orders', 900)] }
    take(store, start, first)
    take(store, start + 2_000, other, { parts: first, at: start })
    expect(store.edge('shop', 'orders', start + 2_000).total).toBe(0)
  })

  test('the past in steps, without the step in progress', () => {
    const store = new TrafficStore(60_000)
    take(store, start, { since: start - 60_000, edges: [countsOf('orders', 600, 4, { failed: { A: 60 } })] })
    const points = store.history({ service: 'orders' }, start + 1)
    expect(points.length).toBeGreaterThanOrEqual(11)
    expect(points.at(-1)).toMatchObject({ at: start - STEP_MS, perSecond: 10, failedShare: 0.1, meanMs: 4 })
    expect(store.history({ from: 'shop', to: 'orders' }, start + 3_600_000).every(({ perSecond }) => perSecond === 0)).toBe(true)
  })

  test('callers are forgotten with their traffic', () => {
    const store = new TrafficStore(60_000)
    take(store, start, { since: start - 10_000, edges: [countsOf('orders', 5)] })
    expect([...store.callers(start)].map(([to, callers]) => [to, ...callers])).toEqual([['orders', 'shop']])
    expect(store.callers(start + 120_000).size).toBe(0)
  })

  test('memory is bounded, whatever processes claim to call', () => {
    const store = new TrafficStore(300_000)
    const before = process.memoryUsage().arrayBuffers
    for (let round = 0; round < 11; round++) {
      const edges = Array.from({ length: 1_000 }, (_, index) => countsOf(`service-${round}-${index}`, 1))
      take(store, start, { since: start - 1_000, edges })
    }
    expect(store.callers(start).size).toBeLessThanOrEqual(10_000)
    // 10,000 edges of 61 steps, and 20,000 pairs of 13 steps, with 18 numbers of 4 bytes each.
    const limit = (10_000 * 61 + 20_000 * 13) * 18 * 4
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1.5 * limit)
  })
})
