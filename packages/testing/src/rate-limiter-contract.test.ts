import { describe, expect, test } from 'vitest'
import { type RateLimiterHarness, rateLimiterContract } from './index.ts'
import { createReferenceRateLimiters, type RateLimiterMutation } from './testing/reference-rate-limiter.ts'

function harness(mutation: RateLimiterMutation = 'none', eventuallyMs: number = 2_000): RateLimiterHarness {
  return { eventuallyMs, setup: async () => createReferenceRateLimiters(mutation) }
}

describe('the reference limiter keeps the contract', () => {
  for (const { name, run } of rateLimiterContract(harness())) test(name, run)
})

describe('a broken limiter fails the case that names what is broken', () => {
  test.each<[RateLimiterMutation, string]>([
    ['allows one more', 'gcra: as many as the limit are allowed, and then none'],
    ['allows one more', 'sliding-window: as many as the limit are allowed, and then none'],
    ['allows one more', 'gcra: calls at the same time share the limit'],
    ['looks before it takes', 'gcra: calls at the same time share the limit'],
    ['mixes up keys', 'gcra: keys are apart'],
    ['takes the cost of who is refused', 'gcra: a call takes its cost or nothing, and with 0 only looks'],
    ['takes when it looks', 'sliding-window: a call takes its cost or nothing, and with 0 only looks'],
    ['gives back too early', 'gcra: what was taken comes back when it was told, and not before'],
    ['gives back too early', 'sliding-window: what was taken comes back when it was told, and not before'],
    ['never gives back', 'gcra: what was taken comes back when it was told, and not before'],
    ['forgets the order', 'gcra: those who wait get their turn in the order of arrival'],
    ['ignores the signal', 'gcra: who waits can give up, and takes nothing'],
    ['takes for who was aborted', 'gcra: who waits can give up, and takes nothing'],
    ['waits for ever', 'gcra: nobody waits for too long, nor too many'],
    ['has an endless queue', 'sliding-window: nobody waits for too long, nor too many'],
    ['tells no time', 'gcra: as many as the limit are allowed, and then none'],
    ['ignores the burst', 'gcra: never more than the burst and what came back meanwhile'],
    ['gives back too early', 'gcra: units come back evenly'],
    ['counts by fixed windows', 'gcra: units come back evenly'],
    ['counts by fixed windows', 'sliding-window: never more than the limit in any window'],
    ['works after close', 'closing ends waiting and may be repeated'],
    ['keeps who waits after close', 'closing ends waiting and may be repeated'],
    ['shows the key', 'bad input is refused, and a key is not shown'],
  ])('%s: %s', async (mutation, caseName) => {
    const found = rateLimiterContract(harness(mutation, 500)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or wrong fields is refused', () => {
  expect(() => rateLimiterContract({ ...harness(), skip: ['wait'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => rateLimiterContract({ ...harness(), eventuallyMs: 0 })).toThrow('Invalid harness.eventuallyMs')
  expect(() => rateLimiterContract({ setup: 1 as never })).toThrow('Invalid harness.setup')
})
