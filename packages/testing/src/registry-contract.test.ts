import { describe, expect, test } from 'vitest'
import { discovererContract, type RegistryHarness, registryContract } from './index.ts'
import { createReferenceBackend, type Mutation } from './testing/reference-registry.ts'

function harness(mutation: Mutation = 'none', eventuallyMs: number = 2_000): RegistryHarness {
  return { shortestTtlMs: 500, eventuallyMs, setup: async () => createReferenceBackend(mutation) }
}

describe('the reference registry meets the contract', () => {
  for (const { name, run } of registryContract(harness())) test(name, run)
})

describe('a broken registry fails the case for its defect', () => {
  test.each<[Mutation, string]>([
    ['keeps the last instance', 'a watch yields registrations, updates and removals down to zero'],
    ['never expires', 'an instance expires when its process is disconnected, and is registered again afterwards'],
    ['is empty in an outage', 'an outage is an error or a stale watch, never an empty list'],
    ['forgets the weight', 'another client reads every field unchanged'],
    ['ignores the signal', 'invalid names and an aborted signal are rejected'],
    ['yields heartbeats', 'heartbeats and other services yield nothing'],
    ['leaves instances after close', 'closing deregisters, ends watches and is idempotent'],
    ['works after close', 'every operation on a closed registry rejects with SD_CLOSED'],
    ['replaces instances', 'a watch yields registrations, updates and removals down to zero'],
    ['recreates all services', 'all services are watched over one stream, from none to several and back'],
    ['keeps services without instances', 'all services are watched over one stream, from none to several and back'],
    ['is empty in an outage', 'an outage makes the watch of all services stale, never empty'],
    ['does not register again', 'an instance expires when its process is disconnected, and is registered again afterwards'],
  ])('%s', async (mutation, caseName) => {
    const found = registryContract(harness(mutation, 300)).find(({ name }) => name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

test('a harness with unknown or invalid fields is rejected', () => {
  expect(() => registryContract({ ...harness(), skip: ['ttl'] } as never)).toThrow('Invalid harness.skip: unknown field')
  expect(() => registryContract({ ...harness(), shortestTtlMs: 1 })).toThrow('Invalid harness.shortestTtlMs')
  expect(() => discovererContract({ setup: 1 as never })).toThrow('Invalid harness.setup')
})
