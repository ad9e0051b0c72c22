import { describe, expect, test } from 'vitest'
import { createAdaptiveLimit } from './index.ts'
import { type QueueingSetup, simulateQueueing } from './testing/queueing.ts'

const meanMs = 20

const serviceTimes: Record<string, QueueingSetup['serviceMs']> = {
  fixed: () => meanMs,
  uniform: (random) => meanMs * (0.5 + random()),
  exponential: (random) => -meanMs * Math.log(1 - random()),
}

/** Capacity of the workers in calls per second: an upper bound of every measured peak. */
function peakOf(workers: number): number {
  return (workers * 1_000) / meanMs
}

function setupOf(workers: number, serviceMs: QueueingSetup['serviceMs'], share: number): QueueingSetup {
  return {
    workers,
    serviceMs,
    offeredPerSecond: () => peakOf(workers) * share,
    // Long enough for two probes after the first.
    durationMs: 135_000,
    warmUpMs: 5_000,
    usefulMs: Number.POSITIVE_INFINITY,
    seed: 1,
  }
}

const createPolicy: QueueingSetup['createPolicy'] = (random) => createAdaptiveLimit({ random, maxEventLoopDelayMs: 0 })

describe.each([8, 16, 32])('%d workers are offered 3 × their capacity', (workers) => {
  test.each(Object.keys(serviceTimes))('service times: %s', { timeout: 120_000 }, (name) => {
    const serviceMs = serviceTimes[name] as QueueingSetup['serviceMs']
    for (const seed of [1, 2, 3]) {
      const unloaded = simulateQueueing({ ...setupOf(workers, serviceMs, 0.1), seed })
      const usefulMs = 2 * unloaded.p99Ms
      const overloaded = simulateQueueing({ ...setupOf(workers, serviceMs, 3), seed, usefulMs, createPolicy })
      expect(overloaded.goodput).toBeGreaterThanOrEqual(0.9 * peakOf(workers))
      expect(overloaded.p99Ms).toBeLessThanOrEqual(2 * unloaded.p99Ms)
      expect(overloaded.rejectedShare).toBeCloseTo(2 / 3, 1)
    }
  })
})

/** A service that gets slower with every waiting call, as if the calls shared memory, a database or an event loop. */
const thrashing: QueueingSetup['serviceMs'] = (random, waiting) => meanMs * (0.5 + random()) * (1 + waiting / 100)

test('without a limit the same load collapses', () => {
  const setup = { ...setupOf(16, thrashing, 3), durationMs: 30_000, usefulMs: 60 }
  expect(simulateQueueing(setup).goodput).toBeLessThan(0.01 * peakOf(16))
  expect(simulateQueueing({ ...setup, createPolicy }).goodput).toBeGreaterThan(0.9 * peakOf(16))
})

test('below capacity almost nothing is refused', () => {
  const result = simulateQueueing({ ...setupOf(16, thrashing, 0.5), createPolicy })
  expect(result.rejectedShare).toBeLessThan(0.03)
})

test('a burst is shed, and later calls are served as before', () => {
  const burst = (atMs: number): number => peakOf(16) * (atMs > 20_000 && atMs < 40_000 ? 5 : 0.5)
  const setup = { ...setupOf(16, thrashing, 1), offeredPerSecond: burst, usefulMs: 60, durationMs: 60_000, createPolicy }
  const after = simulateQueueing({ ...setup, warmUpMs: 45_000 })
  expect(after.rejectedShare).toBeLessThan(0.03)
  expect(after.goodput).toBeGreaterThan(0.45 * peakOf(16))
})
