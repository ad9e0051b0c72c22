import type { ClusterExplanation, StateReport } from '@sd/core'
import { expect, test } from 'vitest'
import { createDependencyCheck, type ExplainingClient } from './index.ts'
import { localTarget, neverAborted } from './testing/targets.ts'

const policies: readonly StateReport[] = []
const usable = { dropped: undefined, outs: [] }
const out = { dropped: 'ejected', outs: [{ reason: 'ejected', detail: 'outlier: consecutive-5xx', since: 0 }] }

function clientOf(cluster: object, breakers: readonly object[] = []): ExplainingClient {
  const explanation = { service: 'stock', isUnknown: false, isPanic: false, endpoints: [usable], ...cluster }
  return {
    explain: () => ({
      cluster: explanation as unknown as ClusterExplanation,
      policies: [...policies, ...(breakers as StateReport[])],
    }),
  }
}

function run(client: ExplainingClient) {
  return createDependencyCheck({ client, service: 'stock' }).check.run(localTarget(0), { signal: neverAborted })
}

test('is informational by default, and never a reason for a restart', () => {
  const client = clientOf({})
  expect(createDependencyCheck({ client, service: 'stock' })).toMatchObject({
    kind: 'informational',
    check: { name: 'calls stock' },
  })
  expect(createDependencyCheck({ client, service: 'stock', kind: 'readiness', name: 's' })).toMatchObject({
    kind: 'readiness',
    check: { name: 's' },
  })
})

test.each<[string, object, readonly object[], object]>([
  ['a service that can be called', {}, [], { instances: '1', usable: '1', out: '0' }],
  ['some that are out', { endpoints: [usable, out] }, [], { instances: '2', usable: '1', out: '1' }],
  [
    'a panic, and an unreachable registry',
    { endpoints: [{ ...out, dropped: undefined }], isPanic: true, staleSince: 1 },
    [],
    { instances: '1', usable: '1', out: '1', panic: 'true', stale: 'true' },
  ],
  [
    'a breaker that is closed, and one of an instance',
    {},
    [
      { kind: 'breaker', breaker: 'b', state: 'closed' },
      { kind: 'breaker', breaker: 'c', instanceId: 'i', state: 'open' },
    ],
    { instances: '1', usable: '1', out: '0' },
  ],
])('%s is healthy', async (_, cluster, breakers, details) => {
  expect(await run(clientOf(cluster, breakers))).toEqual({ details })
})

test.each<[string, object, readonly object[], object]>([
  [
    'no instance at all',
    { endpoints: [], isUnknown: true },
    [],
    { code: 'SD_NO_INSTANCE', message: expect.stringContaining('Unknown service stock') },
  ],
  [
    'none that may get traffic',
    { endpoints: [out] },
    [],
    { code: 'SD_NO_INSTANCE', message: expect.stringContaining('1 ejected: outlier: consecutive-5xx') },
  ],
  [
    'a breaker that is open',
    {},
    [{ kind: 'breaker', breaker: 'stock-breaker', state: 'open' }],
    { code: 'SD_REJECTED', message: 'The breaker stock-breaker of stock is open' },
  ],
  ['a breaker that is isolated', {}, [{ kind: 'breaker', breaker: 'b', state: 'isolated' }], { code: 'SD_REJECTED' }],
])('%s is a failure', async (_, cluster, breakers, error) => {
  await expect(run(clientOf(cluster, breakers))).rejects.toMatchObject(error)
})

test.each<[string, object]>([
  ['client', { client: undefined }],
  ['client.explain', { client: {} }],
  ['service', { service: '' }],
  ['kind', { kind: 'liveness' }],
  ['name', { name: '' }],
  ['services', { services: [] }],
])('a bad %s is refused', (field, change) => {
  expect(() => createDependencyCheck({ client: clientOf({}), service: 'stock', ...change })).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})
