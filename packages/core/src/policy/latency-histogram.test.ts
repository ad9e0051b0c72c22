import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLatencyHistogram } from './latency-histogram.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('a quantile is within 5 % of the sorted list', () => {
  const latencies = fc.array(fc.double({ min: 0.1, max: 1_000_000, noNaN: true }), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(latencies, fc.constantFrom(0.01, 0.5, 0.9, 0.95, 0.999), (list, share) => {
      const histogram = createLatencyHistogram(1_000)
      for (const latency of list) histogram.record(latency)
      const sorted = list.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(0, Math.ceil(share * list.length) - 1)] as number
      const found = histogram.quantile(share, 1) as number
      expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-9))
      expect(found).toBeLessThanOrEqual(exact * 1.05 * (1 + 1e-9))
    }),
    { seed: 9 },
  )
})

test('under frequent reads, a quantile may omit the newest thousandth', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.1, max: 10_000, noNaN: true }), { minLength: 1, maxLength: 40 }), (list) => {
      const histogram = createLatencyHistogram(1_000)
      const sorted: number[] = []
      for (let round = 0; sorted.length < 4_096; round++) {
        for (const latency of list) {
          histogram.record(latency * (1 + (round % 7)))
          sorted.push(latency * (1 + (round % 7)))
          histogram.quantile(0.95, 1)
        }
      }
      sorted.sort((a, b) => a - b)
      const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number
      const found = histogram.quantile(0.95, 1) as number
      expect(found).toBeGreaterThanOrEqual(at(0.948) * (1 - 1e-9))
      expect(found).toBeLessThanOrEqual(at(0.952) * 1.05 * (1 + 1e-9))
    }),
    { seed: 9, numRuns: 30 },
  )
})

test('too few samples give no quantile, and the extremes have a bucket', () => {
  const histogram = createLatencyHistogram(1_000)
  histogram.record(0)
  expect(histogram.quantile(0.5, 2)).toBeUndefined()
  histogram.record(Number.MAX_VALUE)
  expect(histogram.quantile(0.5, 2)).toBeCloseTo(0.1)
  expect(histogram.quantile(1, 2)).toBeGreaterThan(1_400_000)
})

test('samples older than two windows are forgotten', () => {
  const histogram = createLatencyHistogram(1_000)
  for (let sample = 0; sample < 10; sample++) histogram.record(100)
  vi.advanceTimersByTime(1_500)
  for (let sample = 0; sample < 30; sample++) histogram.record(1)
  expect(histogram.quantile(0.9, 1)).toBeGreaterThan(90)
  vi.advanceTimersByTime(1_000)
  expect(histogram.quantile(0.9, 30)).toBeLessThan(1.1)
  vi.advanceTimersByTime(10_000)
  expect(histogram.quantile(0.9, 1)).toBeUndefined()
  histogram.record(5)
  expect(histogram.quantile(0.9, 1)).toBeGreaterThanOrEqual(5)
})
