import { describe, expect, test } from 'vitest'
import { type RateLimiterHarness, rateLimiterContract } from './index.ts'
import { createReferenceRateLimiters, type RateLimiterMutation } from './testing/reference-rate-limiter.ts'

function harness(mutation: RateLimiterMutation = 'none', eventuallyMs: number = 2_000): RateLimiterHarness {
  return { eventuallyMs, setup: async () => createReferenceRateLimiters(mutation) }
}

describe('the reference limiter meets the contract', () => {
  for (const { name, run } of rateLimiterContract(harness())) test(name, run)
})

describe('a broken limiter fails the case for its defect', () => {
  test.each<[RateLimiterMutation, string]>([
    ['allows one more', 'gcra: calls up to the limit are allowed, and then none'],
    ['allows one more', 'sliding-window: calls up to the limit are allowed, and then none'],
    ['allows one more', 'gcra: concurrent calls share the limit'],
    ['reads before it takes', 'gcra: concurrent calls share the limit'],
    ['mixes up keys', 'gcra: keys are independent'],
    ['takes the cost of refused calls', 'gcra: a call takes its whole cost or nothing, and cost 0 only reads'],
    ['takes units for cost 0', 'sliding-window: a call takes its whole cost or nothing, and cost 0 only reads'],
    ['returns units too early', 'gcra: units are available again after retryAfterMs, and not before'],
    ['returns units too early', 'sliding-window: units are available again after retryAfterMs, and not before'],
    ['never returns units', 'gcra: units are available again after retryAfterMs, and not before'],
    ['forgets the order', 'gcra: waiting calls are served in order of arrival'],
    ['ignores the signal', 'gcra: a waiting call can be aborted, and takes nothing'],
    ['takes units for aborted calls', 'gcra: a waiting call can be aborted, and takes nothing'],
    ['waits forever', 'gcra: the wait and the number of waiting calls are limited'],
    ['has an endless queue', 'sliding-window: the wait and the number of waiting calls are limited'],
    ['reports no time', 'gcra: calls up to the limit are allowed, and then none'],
    ['ignores the burst', 'gcra: never more than the burst and the units that have returned since'],
    ['returns units too early', 'gcra: units return evenly'],
    ['uses fixed windows', 'gcra: units return evenly'],
    ['uses fixed windows', 'sliding-window: never more than the limit in any window'],
    ['works after close', 'closing ends waiting and is idempotent'],
    ['keeps waiting calls after close', 'closing ends waiting and is idempotent'],
    ['shows the key', 'invalid input is rejected, and a key is not shown'],
  ])('%s: %s', async (mutation, caseName) => {
    const found = rateLimiterContract(harness(mutation, 500)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or invalid fields is rejected', () => {
  expect(() => rateLimiterContract({ ...harness(), skip: ['wait'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => rateLimiterContract({ ...harness(), eventuallyMs: 0 })).toThrow('Invalid harness.eventuallyMs')
  expect(() => rateLimiterContract({ setup: 1 as never })).toThrow('Invalid harness.setup')
})
