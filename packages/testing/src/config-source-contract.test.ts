import { describe, expect, test } from 'vitest'
import { type ConfigSourceHarness, configSourceContract } from './index.ts'
import { type ConfigMutation, createReferenceConfig, referenceLargestBytes } from './testing/reference-config-source.ts'

function harness(mutation: ConfigMutation = 'none', eventuallyMs: number = 2_000): ConfigSourceHarness {
  return {
    setup: async () => createReferenceConfig(mutation),
    keys: ['a/b.yaml', 'b'],
    canRequire: true,
    largestBytes: referenceLargestBytes,
    eventuallyMs,
  }
}

describe('the reference source meets the contract', () => {
  for (const { name, run } of configSourceContract(harness())) test(name, run)
})

describe('a broken source fails the case for its defect', () => {
  test.each<[ConfigMutation, string]>([
    ['invents an entry', 'an empty source is an empty document'],
    ['declares no write capability', 'a source has the methods that its capabilities declare'],
    ['merges in write order', 'entries are in merge order'],
    [
      'treats missing as empty',
      'missing required entries are an error that a watch waits out, and the last value is kept when they are removed',
    ],
    ['treats empty as missing', 'required entries may be empty'],
    ['trims content', 'content is unchanged, byte for byte'],
    ['cuts long content', 'the longest content is complete'],
    ['has one revision', 'the revision changes with the content'],
    ['keeps removed entries', 'removed entries disappear'],
    ['yields another form in a watch', 'load and watch yield the same document'],
    ['ignores the signal', 'an aborted signal ends loading'],
    ['reports no change', 'a watch yields what other tools write, change and remove'],
    ['recreates entries', 'an entry that did not change keeps its identity'],
    ['reports without a change', 'a watch yields only changes'],
    ['queues changes', 'a slow consumer receives only the latest document'],
    ['misses every tenth change', 'a burst of changes ends with the last one'],
    ['opens a watch per consumer', 'several consumers share one watch'],
    ['ignores the signal', 'leaving or aborting a watch ends it, even while it waits'],
    ['is empty in an outage', 'an outage is an error or a stale watch, never an empty document'],
    ['hides an outage', 'an outage is an error or a stale watch, never an empty document'],
    ['keeps entries removed in an outage', 'after an outage the document matches the backend'],
    ['is empty in an outage', 'a start without the backend waits until it is reachable'],
    ['closes slowly', 'closing while the backend is unreachable is bounded in time'],
    ['deletes nothing', 'other sources see what one writes and removes'],
    ['returns the previous entry', 'put returns the entry as other sources read it'],
    ['trims content', 'written content is unchanged, byte for byte'],
    ['accepts any length', "content that the backend can't store is rejected"],
    ['ignores revisions', 'only a writer with the current revision may write'],
    ['compares too early', 'of ten concurrent writers with one revision, exactly one succeeds'],
    ['loses comments', 'author and comment are stored if the source supports them'],
    ['keeps the author of another writer', 'author and comment are stored if the source supports them'],
    ['accepts any content', 'invalid input is rejected with the name of the field, and nothing is sent'],
    ['ignores the signal', 'an aborted signal ends writing, and nothing is sent'],
    ['writes during an outage', 'writing in an outage rejects with a retryable error'],
    ['ignores close', 'closing ends watches, does not affect other sources and is idempotent'],
    ['works after close', 'every operation on a closed source rejects with SD_CLOSED'],
    ['leaves timers', 'nothing is left running after close'],
  ])('%s: %s', async (mutation, caseName) => {
    const found = configSourceContract(harness(mutation, 300)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test("content that the backend can't store must be rejected", async () => {
  const cases = configSourceContract({ ...harness(), cannotHold: ['empty'] })
  const refusal = cases.find(({ name }) => name === "content that the backend can't store is rejected")
  await expect(refusal?.run()).rejects.toThrow('Missing expected rejection: empty')
})

describe('cases of unsupported capabilities are omitted, and harness and source must agree', () => {
  const names = (change: Partial<ConfigSourceHarness>): readonly string[] => {
    const left = new Set(configSourceContract({ ...harness(), ...change }).map(({ name }) => name))
    return configSourceContract(harness())
      .map(({ name }) => name)
      .filter((name) => !left.has(name))
  }
  test.each<[string, Partial<ConfigSourceHarness>, string]>([
    ['writing', { capabilities: { write: false } }, 'other sources see what one writes and removes'],
    [
      'revisions',
      { capabilities: { compareAndSet: false } },
      'of ten concurrent writers with one revision, exactly one succeeds',
    ],
    ['outages', { canBeCut: false }, 'writing in an outage rejects with a retryable error'],
  ])('%s', async (_, change, leftOut) => {
    expect(names(change)).toContain(leftOut)
    expect(names(change).length).toBeLessThan(configSourceContract(harness()).length)
    const [first] = configSourceContract({ ...harness(), ...change })
    await expect(first?.run()).rejects.toThrow(/^harness\.\S+ should match/)
  })
})

test('a harness with unknown or invalid fields is rejected', () => {
  expect(() => configSourceContract({ ...harness(), skip: ['write'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => configSourceContract({ ...harness(), setup: 1 as never })).toThrow('Invalid harness.setup')
  expect(() => configSourceContract({ ...harness(), keys: ['a', '/b'] })).toThrow('Invalid harness.keys[1]')
  expect(() => configSourceContract({ ...harness(), cannotHold: ['all' as never] })).toThrow('Invalid harness.cannotHold[0]')
})
