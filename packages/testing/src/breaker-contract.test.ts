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

describe('the reference breaker meets the contract', () => {
  for (const { name, run } of breakerContract(harness())) test(name, run)
})

describe('a broken breaker fails the case for its defect', () => {
  test.each<[BreakerMutation, string]>([
    ['opens only above the threshold', 'it opens at exactly the failure rate'],
    ['opens too early', 'it does not open before the minimum number of calls'],
    ['ignores the time window', 'calls expire from a time window'],
    ['permits one trial', 'after the open time it permits that number of trials and refuses the rest'],
    ['permits every trial', 'after the open time it permits that number of trials and refuses the rest'],
    ['never becomes half-open', 'failed trials open it again as soon as the result is certain'],
    ['records ignored outcomes as successes', 'an ignored trial is replaced by another one'],
    ['records ignored outcomes as failures', 'ignored outcomes are neutral'],
    ['accepts late results', 'late results of an earlier state are dropped'],
    ['settles twice', 'a permit can be settled only once'],
    ['keeps the window after recovery', 'after recovery the window is empty'],
    ['recovers at once', 'after recovery the share of permitted calls grows'],
    ['ignores slow calls', 'slow calls open it too'],
    ['ignores slow calls', 'slow trials open it too'],
    ['keeps hung trials', 'trials that never end are recorded as failed'],
    ['ignores the time limit', 'a call that takes too long fails, and its signal aborts'],
    ['records aborted calls', 'an aborted call ends at once and is neutral'],
    ['never uses the fallback', 'a fallback can be the last success of the same key'],
    ['uses the fallback for ignored errors', 'ignored errors reach the caller despite a fallback'],
    ['keeps every result', 'a fallback can be the last success of the same key'],
    ['leaves isolation on its own', 'it can be opened, closed and isolated manually'],
    ['keeps the old open time', 'opening it again restarts the open time'],
    ['never extends the open time', 'the open time grows with the outage, and is short again after it'],
    ['starts with a long open time', 'calls fail only slightly longer than the peer'],
    ['calls no listener', 'listeners receive every change until they are removed'],
    ['calls removed listeners', 'listeners receive every change until they are removed'],
  ])('%s', async (mutation, caseName) => {
    const found = breakerContract(harness(mutation)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or invalid fields is rejected', () => {
  expect(() => breakerContract({ ...harness(), skip: [] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => breakerContract({ ...harness(), advance: 1 as never })).toThrow('Invalid harness.advance')
})
