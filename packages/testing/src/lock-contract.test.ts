import { describe, expect, test } from 'vitest'
import { type LockHarness, lockContract } from './index.ts'
import { createReferenceLocks, type LockMutation } from './testing/reference-lock.ts'

function harness(mutation: LockMutation = 'none', eventuallyMs: number = 2_000): LockHarness {
  const sessionTtlMs = 200
  return { sessionTtlMs, eventuallyMs, setup: async () => createReferenceLocks(sessionTtlMs, mutation) }
}

const listing = 'held locks are listed with their holders, below a prefix and up to a limit'

describe('the reference lock meets the contract', () => {
  for (const { name, run } of lockContract(harness())) test(name, run)
})

test('a lock that can not list declares it, and refuses', async () => {
  const contract = lockContract({ ...harness('can not list'), capabilities: { list: false } })
  const names = contract.map(({ name }) => name)
  expect(names).not.toContain(listing)
  await contract.find(({ name }) => name === 'listing is refused by a lock that does not support it')?.run()
})

describe('a broken lock fails the case for its defect', () => {
  test.each<[LockMutation, string]>([
    ['has two holders at once', 'one client holds a lock at a time, and the next acquires it on release'],
    ['has two holders at once', 'of many contenders only one holds the lock at a time, and all acquire it'],
    ['has tokens that do not grow', 'one client holds a lock at a time, and the next acquires it on release'],
    ['has tokens that do not grow', 'of many contenders only one holds the lock at a time, and all acquire it'],
    ['mixes up names', 'locks with other names are free'],
    ['keeps the place of an aborted waiter', 'waiting ends at its time limit or signal, and leaves nothing behind'],
    ['hides a loss', 'a disconnected holder detects the loss before another one acquires the lock'],
    ['hides a deletion', 'a holder detects that its key was deleted, although its session is alive'],
    ['releases the lock of the next holder', 'a disconnected holder detects the loss before another one acquires the lock'],
    ['does not renew', 'a lock is held for longer than a session lasts'],
    ['reports no change', 'the holder can be watched'],
    ['has two holders at once', 'an election has one leader at a time'],
    ['is free in an outage', 'an outage is an error, not a free lock'],
    ['keeps locks after close', 'closing releases locks, ends waiting and is idempotent'],
    ['lists every place', listing],
    ['lists beyond the prefix', listing],
    ['hides that a list is truncated', listing],
    ['lists nothing in an outage', 'listing is an error during an outage and after close, and its arguments are checked'],
    ['can not list', listing],
  ])('%s: %s', async (mutation, caseName) => {
    const found = lockContract(harness(mutation, 300)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or invalid fields is rejected', () => {
  expect(() => lockContract({ ...harness(), skip: ['close'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => lockContract({ ...harness(), sessionTtlMs: 1 })).toThrow('Invalid harness.sessionTtlMs')
  expect(() => lockContract({ sessionTtlMs: 200, setup: 1 as never })).toThrow('Invalid harness.setup')
})
