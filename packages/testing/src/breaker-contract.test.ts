import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type BreakerHarness, breakerContract } from './index.ts'
import { type BreakerMutation, createReferenceBreaker } from './testing/reference-breaker.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function harness(mutation: BreakerMutation = 'none'): BreakerHarness {
  return {
    create: (options) => createReferenceBreaker(options, mutation),
    advance: (durationMs) => vi.advanceTimersByTimeAsync(durationMs),
  }
}

describe('the reference breaker keeps the contract', () => {
  for (const { name, run } of breakerContract(harness())) test(name, run)
})

describe('a broken breaker fails the case that names what is broken', () => {
  test.each<[BreakerMutation, string]>([
    ['opens above the threshold only', 'it opens at the failure rate, that rate included'],
    ['judges too early', 'it does not judge before the minimum of calls'],
    ['forgets the time window', 'a time window forgets'],
    ['lets one trial through', 'after the open time it lets that many trials through and refuses the rest'],
    ['lets every trial through', 'after the open time it lets that many trials through and refuses the rest'],
    ['never tries', 'trials that fail open it for another open time, as soon as that is certain'],
    ['counts ignored outcomes as successes', 'an ignored trial makes room for another one'],
    ['counts ignored outcomes as failures', 'ignored outcomes are neutral'],
    ['takes late results', 'late results of an earlier state are dropped'],
    ['settles twice', 'a permit counts once'],
    ['keeps the window after recovery', 'after recovery the window is empty'],
    ['recovers at once', 'after recovery the share of calls that are let through grows'],
    ['sees no slow calls', 'slow calls open it too'],
    ['sees no slow calls', 'slow trials open it too'],
    ['sticks to hung trials', 'trials that never end count as failed in the end'],
    ['ignores the limit', 'a call that takes too long fails and its signal fires'],
    ['counts aborted calls', 'an aborted call ends at once and is neutral'],
    ['falls back never', 'a fallback can be the last success of the same key'],
    ['falls back for ignored errors', 'ignored errors reach the caller, whatever the fallback'],
    ['keeps every result', 'a fallback can be the last success of the same key'],
    ['leaves isolation by itself', 'it opens, closes and isolates by hand'],
    ['goes on with the old open time', 'opening it again starts the open time anew'],
    ['never waits longer', 'it waits longer only as an outage lasts, and asks soon again after it'],
    ['waits long at once', 'calls fail for little longer than the peer did'],
    ['tells nobody', 'listeners hear of every change until they end'],
    ['goes on telling', 'listeners hear of every change until they end'],
  ])('%s', async (mutation, caseName) => {
    const found = breakerContract(harness(mutation)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or wrong fields is refused', () => {
  expect(() => breakerContract({ ...harness(), skip: [] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => breakerContract({ ...harness(), advance: 1 as never })).toThrow('Invalid harness.advance')
})
