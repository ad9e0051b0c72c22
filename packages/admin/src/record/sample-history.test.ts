import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SampleHistory } from './sample-history.ts'

const system = { cpu: 0.5, residentBytes: 1_000, heapUsedBytes: 500, loopDelayMs: 1 }
beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => void vi.useRealTimers())

function totals(total: number, failures = 0, latencySumMs = 0, service = 'stock') {
  return [{ service, total, failures, latencySumMs }]
}

/** Values of a series. */
function valuesOf(history: SampleHistory, name: string, service?: string): readonly (number | null)[] | undefined {
  return history.report([name]).series.find((series) => series.service === service)?.values
}

test('has the difference of each second, oldest first, and begins again with the table', () => {
  const history = new SampleHistory(4)
  for (const found of [totals(3, 1, 30), totals(5, 1, 90), totals(2, 0, 4), totals(2, 0, 4), totals(6, 2, 8)]) {
    history.add(system, found)
    vi.advanceTimersByTime(1_000)
  }
  expect(valuesOf(history, 'calls')).toEqual([2, 2, 0, 4])
  expect(valuesOf(history, 'calls', 'stock')).toEqual([2, 2, 0, 4])
  expect(valuesOf(history, 'failed')).toEqual([0, 0, 0, 2])
  expect(valuesOf(history, 'meanMs', 'stock')).toEqual([30, 2, null, 1])
  expect(valuesOf(history, 'cpu')).toEqual([0.5, 0.5, 0.5, 0.5])
  expect(history.report().endsAt).toBe(1_004_000)
})

test('seconds in which the event loop was blocked have no value', () => {
  const history = new SampleHistory(10)
  history.add(system, [])
  vi.advanceTimersByTime(3_020)
  history.add(system, [])
  expect(valuesOf(history, 'cpu')).toEqual([0.5, null, null, 0.5])
  vi.advanceTimersByTime(100_000)
  history.add(system, [])
  expect(valuesOf(history, 'cpu')).toEqual([...Array(9).fill(null), 0.5])
})

test('has series of at most 20 services, and the sum of all', () => {
  const history = new SampleHistory(2)
  const services = Array.from({ length: 30 }, (_, index) => totals(1, 0, 1, `service-${index}`)).flat()
  history.add(system, services)
  expect(history.report(['calls']).series).toHaveLength(21)
  expect(valuesOf(history, 'calls')).toEqual([30])
})

test('keeps nothing if it has no size', () => {
  const history = new SampleHistory(0)
  history.add(system, totals(1))
  expect(history.report().series).toEqual([])
})
