import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Outage } from './circuit-outage.ts'

beforeEach(() => {
  vi.useFakeTimers()
  // Not at the origin of the clock: times are differences.
  vi.advanceTimersByTime(1_000_000)
})
afterEach(() => {
  vi.useRealTimers()
})

function create(limits: Partial<ConstructorParameters<typeof Outage>[0]> = {}): Outage {
  return new Outage({ openMs: 100, maxOpenMs: 5_000, recoveryMs: 10_000, random: () => 0, ...limits })
}
const pass = (ms: number): void => void vi.advanceTimersByTime(ms)

describe('the open time', () => {
  test('is a tenth of the outage so far, within its limits', () => {
    const outage = create()
    expect(outage.open(true)).toBe(100)
    for (const [afterMs, expected] of [
      [999, 100],
      [1, 100],
      [1_000, 200],
      [8_000, 1_000],
      [40_000, 5_000],
      [40_000, 5_000],
    ] as const) {
      pass(afterMs)
      expect(outage.open(false)).toBe(expected)
    }
  })

  test('is shortened by up to a tenth at random, to whole milliseconds', () => {
    expect(create({ random: () => 0.5 }).open(true)).toBe(95)
    expect(create({ openMs: 7, random: () => 0.999 }).open(true)).toBe(7)
    expect(create({ openMs: 50, random: () => 0.999 }).open(true)).toBe(46)
  })

  test.each([
    ['continues with the same outage if it was healthy for less time than it had failed', 9_999, 2_000],
    ['begins again if it was healthy for as long as it had failed', 10_000, 100],
  ])('%s', (_, healthyMs, expected) => {
    const outage = create()
    outage.open(true)
    pass(10_000)
    outage.recover()
    pass(healthyMs)
    expect(outage.open(true)).toBe(expected)
  })

  test('begins again after a manual close', () => {
    const outage = create()
    outage.open(true)
    pass(10_000)
    outage.end()
    pass(1)
    expect(outage.open(true)).toBe(100)
  })
})

describe('after the recovery', () => {
  function recover(outageMs: number, limits: Partial<ConstructorParameters<typeof Outage>[0]> = {}): Outage {
    const outage = create(limits)
    outage.open(true)
    pass(outageMs)
    outage.recover()
    return outage
  }
  const admitted = (outage: Outage, calls: number): number =>
    Array.from({ length: calls }, () => outage.admits()).filter(Boolean).length

  test('a tenth of the calls is permitted first, then a growing share, within a tenth of the outage', () => {
    const outage = recover(10_000)
    // The first call is always permitted.
    expect(outage.admits()).toBe(true)
    expect(admitted(outage, 100)).toBe(10)
    pass(500)
    expect(admitted(outage, 100)).toBe(50)
    pass(400)
    expect(admitted(outage, 100)).toBe(90)
    pass(100)
    expect(admitted(outage, 100)).toBe(100)
  })

  test('the first call is permitted after each recovery', () => {
    const outage = recover(10_000)
    expect([outage.admits(), outage.admits()]).toEqual([true, false])
    outage.open(true)
    pass(100)
    outage.recover()
    expect(outage.admits()).toBe(true)
  })

  test('all calls are permitted after recoveryMs, however long the outage was', () => {
    const outage = recover(1_000_000, { recoveryMs: 200 })
    pass(199)
    expect(admitted(outage, 1_000)).toBeLessThan(1_000)
    pass(1)
    expect(admitted(outage, 1_000)).toBe(1_000)
  })

  test('all calls are permitted at once without recoveryMs, and after a manual close', () => {
    expect(admitted(recover(10_000, { recoveryMs: 0 }), 100)).toBe(100)
    const closed = recover(10_000)
    closed.end()
    expect(admitted(closed, 100)).toBe(100)
  })

  test('all calls are permitted if there was no outage', () => {
    expect(admitted(create(), 100)).toBe(100)
  })
})
