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

describe('the reference source keeps the contract', () => {
  for (const { name, run } of configSourceContract(harness())) test(name, run)
})

describe('a broken source fails the case that names what is broken', () => {
  test.each<[ConfigMutation, string]>([
    ['invents an entry', 'an empty source is an empty document'],
    ['hides that it writes', 'a source says what it can do'],
    ['merges in the order of writing', 'entries come in the order in which they are merged'],
    [
      'takes what is missing for empty',
      'what is required and missing is an error and waited for, and keeps what was there when it is gone',
    ],
    ['takes what is empty for missing', 'what is required may be empty'],
    ['trims content', 'content comes back byte for byte'],
    ['cuts long content', 'the longest content comes back whole'],
    ['has one revision', 'the revision changes with the content'],
    ['keeps what was removed', 'what is removed is gone'],
    ['watches in another form', 'what is loaded is what is watched'],
    ['ignores the signal', 'an aborted signal ends loading'],
    ['tells of no change', 'a watch follows what others write, change and remove'],
    ['makes entries anew', 'an entry that did not change keeps its identity'],
    ['tells without a change', 'a watch yields only changes'],
    ['queues changes', 'a slow consumer gets the latest document only'],
    ['misses every tenth change', 'a burst of changes ends with the last one'],
    ['has a watch for each consumer', 'several consumers share one watch'],
    ['ignores the signal', 'leaving a watch or aborting it ends it, also while it waits'],
    ['is empty when away', 'an outage is an error or a stale watch, never an empty document'],
    ['hides an outage', 'an outage is an error or a stale watch, never an empty document'],
    ['keeps what was removed meanwhile', 'after an outage it is exactly what the backend has'],
    ['is empty when away', 'a start without the backend waits for it'],
    ['closes slowly', 'closing while the backend is away is bounded'],
    ['deletes nothing', 'what one writes and removes the others see'],
    ['returns what was there', 'writing returns the entry as others read it'],
    ['trims content', 'what is written comes back byte for byte'],
    ['takes any length', 'what the backend can not hold is refused'],
    ['ignores revisions', 'a revision decides who may write'],
    ['compares too early', 'of ten concurrent writers with one revision exactly one wins'],
    ['loses comments', 'author and comment survive where they are kept'],
    ['keeps the author of others', 'author and comment survive where they are kept'],
    ['takes anything', 'bad input is refused with the name of the field, and nothing is sent'],
    ['ignores the signal', 'an aborted signal ends writing, and nothing is sent'],
    ['writes when the backend is back', 'writing in an outage rejects and may be tried again'],
    ['closes nothing', 'closing ends watches, leaves others alone and may be repeated'],
    ['works after close', 'every operation on a closed source rejects with SD_CLOSED'],
    ['leaves timers', 'nothing is left running after close'],
  ])('%s: %s', async (mutation, caseName) => {
    const found = configSourceContract(harness(mutation, 300)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('what a backend can not hold must be refused', async () => {
  const cases = configSourceContract({ ...harness(), cannotHold: ['empty'] })
  const refusal = cases.find(({ name }) => name === 'what the backend can not hold is refused')
  await expect(refusal?.run()).rejects.toThrow('Missing expected rejection: empty')
})

describe('what is declared away is left out, and harness and source must agree', () => {
  const names = (change: Partial<ConfigSourceHarness>): readonly string[] => {
    const left = new Set(configSourceContract({ ...harness(), ...change }).map(({ name }) => name))
    return configSourceContract(harness())
      .map(({ name }) => name)
      .filter((name) => !left.has(name))
  }
  test.each<[string, Partial<ConfigSourceHarness>, string]>([
    ['writing', { capabilities: { write: false } }, 'what one writes and removes the others see'],
    ['revisions', { capabilities: { compareAndSet: false } }, 'of ten concurrent writers with one revision exactly one wins'],
    ['outages', { canBeCut: false }, 'writing in an outage rejects and may be tried again'],
  ])('%s', async (_, change, leftOut) => {
    expect(names(change)).toContain(leftOut)
    expect(names(change).length).toBeLessThan(configSourceContract(harness()).length)
    const [first] = configSourceContract({ ...harness(), ...change })
    await expect(first?.run()).rejects.toThrow(/^harness\.\S+ should be/)
  })
})

test('a harness with unknown or wrong fields is refused', () => {
  expect(() => configSourceContract({ ...harness(), skip: ['write'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => configSourceContract({ ...harness(), setup: 1 as never })).toThrow('Invalid harness.setup')
  expect(() => configSourceContract({ ...harness(), keys: ['a', '/b'] })).toThrow('Invalid harness.keys[1]')
  expect(() => configSourceContract({ ...harness(), cannotHold: ['all' as never] })).toThrow('Invalid harness.cannotHold[0]')
})
