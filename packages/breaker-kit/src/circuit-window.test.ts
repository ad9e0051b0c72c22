import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type CircuitCounts, createCountWindow, createTimeWindow, timeWindowParts } from './circuit-window.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

interface Call {
  readonly at: number
  readonly failed: boolean
  readonly slow: boolean
}

/** Counts a list of all calls since the last reset. */
function countAll(calls: readonly Call[]): CircuitCounts {
  return {
    calls: calls.length,
    failed: calls.filter(({ failed }) => failed).length,
    slow: calls.filter(({ slow }) => slow).length,
  }
}

const step = fc.record({
  waitMs: fc.oneof({ weight: 3, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(30_000) }),
  failed: fc.boolean(),
  slow: fc.boolean(),
  reset: fc.integer({ min: 0, max: 19 }).map((draw) => draw === 0),
})
const steps = fc.array(step, { maxLength: 100 })

test('a count window is the tail of a list', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), steps, (size, given) => {
      const window = createCountWindow(size)
      let calls: Call[] = []
      for (const { failed, slow, reset } of given) {
        if (reset) {
          window.reset()
          calls = []
        }
        calls.push({ at: 0, failed, slow })
        expect(window.add(failed, slow)).toEqual(countAll(calls.slice(-size)))
      }
    }),
  )
})

test('a time window matches a list of the current part and the nine before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 5_000 }), steps, (durationMs, given) => {
      const window = createTimeWindow(durationMs)
      const partOf = (at: number): number => Math.floor(at / (durationMs / timeWindowParts))
      let calls: Call[] = []
      for (const { waitMs, failed, slow, reset } of given) {
        vi.advanceTimersByTime(waitMs)
        const now = performance.now()
        const inWindow = ({ at }: Call): boolean => partOf(at) > partOf(now) - timeWindowParts
        if (reset) {
          window.reset()
          calls = []
        }
        calls.push({ at: now, failed, slow })
        expect(window.add(failed, slow)).toEqual(countAll(calls.filter(inWindow)))
      }
    }),
  )
})

test('a time window holds every call for at least nine tenths and at most the whole duration', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 5_000 }), fc.nat(10_000), fc.nat(10_000), (durationMs, startMs, ageMs) => {
      vi.advanceTimersByTime(startMs)
      const window = createTimeWindow(durationMs)
      window.add(true, false)
      vi.advanceTimersByTime(ageMs)
      const { failed } = window.add(false, false)
      if (ageMs <= 0.9 * durationMs) expect(failed).toBe(1)
      if (ageMs >= durationMs) expect(failed).toBe(0)
    }),
  )
})
