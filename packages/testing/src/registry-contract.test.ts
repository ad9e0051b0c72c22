import { describe, expect, test } from 'vitest'
import { discovererContract, type RegistryHarness, registryContract } from './index.ts'
import { createReferenceBackend, type Mutation } from './testing/reference-registry.ts'

function harness(mutation: Mutation = 'none', eventuallyMs: number = 2_000): RegistryHarness {
  return { shortestTtlMs: 500, eventuallyMs, setup: async () => createReferenceBackend(mutation) }
}

describe('the reference registry keeps the contract', () => {
  for (const { name, run } of registryContract(harness())) test(name, run)
})

describe('a broken registry fails the case that names what is broken', () => {
  test.each<[Mutation, string]>([
    ['keeps the last instance', 'a watch follows a service up, through an update and down to zero'],
    ['never expires', 'an instance whose process is gone expires, and returns with it'],
    ['empty when away', 'an outage is an error or a stale watch, never an empty list'],
    ['forgets the weight', 'every field survives the way to another client'],
    ['ignores the signal', 'bad names and an aborted signal are refused'],
    ['yields heartbeats', 'heartbeats and other services yield nothing'],
    ['leaves instances after close', 'closing deregisters, ends watches and may be repeated'],
    ['works after close', 'every operation on a closed registry rejects with SD_CLOSED'],
    ['replaces instances', 'a watch follows a service up, through an update and down to zero'],
    ['makes all services anew', 'all services are watched over one stream, up and down to none'],
    ['keeps services without instances', 'all services are watched over one stream, up and down to none'],
    ['empty when away', 'an outage makes the watch of all services stale, never empty'],
    ['does not recover', 'an instance whose process is gone expires, and returns with it'],
  ])('%s', async (mutation, caseName) => {
    const found = registryContract(harness(mutation, 300)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or wrong fields is refused', () => {
  expect(() => registryContract({ ...harness(), skip: ['ttl'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => registryContract({ ...harness(), shortestTtlMs: 1 })).toThrow('Invalid harness.shortestTtlMs')
  expect(() => discovererContract({ setup: 1 as never })).toThrow('Invalid harness.setup')
})
