import { describe, expect, test } from 'vitest'
import { type LockHarness, lockContract } from './index.ts'
import { createReferenceLocks, type LockMutation } from './testing/reference-lock.ts'

function harness(mutation: LockMutation = 'none', eventuallyMs: number = 2_000): LockHarness {
  const sessionTtlMs = 200
  return { sessionTtlMs, eventuallyMs, setup: async () => createReferenceLocks(sessionTtlMs, mutation) }
}

describe('the reference lock keeps the contract', () => {
  for (const { name, run } of lockContract(harness())) test(name, run)
})

describe('a broken lock fails the case that names what is broken', () => {
  test.each<[LockMutation, string]>([
    ['has two holders at once', 'one client holds a lock at a time, and the next gets it on release'],
    ['has two holders at once', 'many contenders never hold it together, and all get it'],
    ['has tokens that do not grow', 'one client holds a lock at a time, and the next gets it on release'],
    ['has tokens that do not grow', 'many contenders never hold it together, and all get it'],
    ['mixes up names', 'locks of other names are free'],
    ['leaves the place of who gave up', 'waiting ends by its limit or its signal, and leaves nothing behind'],
    ['hides a loss', 'a holder that is cut off hears of it before another one gets the lock'],
    ['hides a deletion', 'a holder whose key is deleted behind its back hears of it, though its session lives'],
    ['releases the lock of the next holder', 'a holder that is cut off hears of it before another one gets the lock'],
    ['does not renew', 'a lock is kept for longer than its session'],
    ['tells of no change', 'the holder is followed'],
    ['has two holders at once', 'an election has one leader, and another after it'],
    ['is free when away', 'an outage is an error, not a free lock'],
    ['keeps locks after close', 'closing releases, may be repeated, and ends waiting'],
  ])('%s: %s', async (mutation, caseName) => {
    const found = lockContract(harness(mutation, 300)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or wrong fields is refused', () => {
  expect(() => lockContract({ ...harness(), skip: ['close'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => lockContract({ ...harness(), sessionTtlMs: 1 })).toThrow('Invalid harness.sessionTtlMs')
  expect(() => lockContract({ sessionTtlMs: 200, setup: 1 as never })).toThrow('Invalid harness.setup')
})
