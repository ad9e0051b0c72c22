import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clusterAnswerOf, clusterOf, countsOf, createSnapshotOf, endpointOf } from '../testing/snapshots.ts'
import { readCalls, readCluster, readConfig, readGateway, readHealth, readLifecycle, readLock } from './read-answers.ts'
import { readSnapshot } from './read-snapshot.ts'
import { list, name, record, text } from './shape.ts'

const error = { code: 'SD_TIMEOUT', message: 'late', retryable: true, causes: ['why'] }

/** A snapshot with every kind of state and answer. */
const full = createSnapshotOf({
  info: { now: 5, thread: 2, instances: [{ service: 'orders', instanceId: 'orders-0' }], controls: ['config'] },
  edges: [countsOf('stock', 3, 4, { failed: { SD_TIMEOUT: 1 }, refused: { 'breaker stock': 1 } })],
  states: [
    { kind: 'backend', backend: 'consul', role: 'registry', state: 'disconnected', since: 1, lastError: error },
    { kind: 'registration', registry: 'consul', service: 'orders', instanceId: 'orders-0', state: 'active' },
    clusterOf('stock', 2, { outBy: { breaker: 1 } }),
    { kind: 'breaker', breaker: 'b', service: 'stock', state: 'open', reason: 'failure-rate' },
    { kind: 'limit', limit: 'l', service: 'stock', max: 20, active: 1, waiting: 0 },
    { kind: 'retry-budget', service: 'stock', available: 9.5 },
    {
      kind: 'config',
      config: 'app',
      version: 2,
      updatedAt: 1,
      staleSources: ['a'],
      refusedSources: [],
      degradedForMs: 3,
      digest: 'd',
    },
    {
      kind: 'gateway',
      gateway: 'g',
      version: 1,
      updatedAt: 1,
      isReady: true,
      requests: 2,
      listeners: [{ listener: 'web', connections: 3 }],
    },
  ],
  locks: [{ lock: 'jobs', key: 'nightly', value: 'v', token: '12345678901234567890', since: 1 }],
  configs: [
    {
      config: 'app',
      version: 2,
      updatedAt: 1,
      digest: 'd',
      sources: [
        {
          source: 'a',
          stale: { since: 1, error, isSnapshot: true },
          refused: { since: 1, failures: [{ source: 'a', message: 'm', line: 3 }] },
        },
      ],
    },
  ],
  alerts: [
    {
      rules: [{ name: 'r', metric: 'm', condition: '>', severity: 'warning', enabled: true }],
      alerts: [
        {
          id: 'a',
          rule: 'r',
          state: 'firing',
          severity: 'warning',
          labels: { a: 'b' },
          condition: '>',
          activeAt: 1,
          isSilenced: false,
        },
      ],
      channels: [{ name: 'mail', waiting: 0, sent: 1, failed: 2, dropped: 3 }],
      silences: [{ id: 's', endsAt: 9, comment: 'night', rule: 'r' }],
    },
  ],
  lifecycles: [
    { state: 'ready', since: 1, registration: { service: 'orders', instanceId: 'orders-0', state: 'active', lastError: error } },
  ],
  health: [
    {
      status: 'healthy',
      isLive: true,
      isReady: true,
      checks: [{ check: 'disk', kind: 'readiness', status: 'healthy', since: 1 }],
    },
  ],
  gateways: [
    {
      gateway: 'g',
      version: 1,
      updatedAt: 1,
      isReady: true,
      listeners: [{ listener: 'web', host: '::', port: 80, protocols: ['h2'], isSecure: true, connections: 1 }],
      routes: [{ route: 'r', match: '/', action: 'orders', services: ['orders'], filters: ['cors'] }],
      omitted: 0,
      refused: { at: 1, error },
    },
  ],
})

test('a snapshot with everything is read as it is', () => {
  expect(readSnapshot(JSON.parse(JSON.stringify(full)), '')).toEqual(JSON.parse(JSON.stringify(full)))
})

test('answers about endpoints and calls', () => {
  const cluster = clusterAnswerOf('stock', [
    endpointOf('stock-0', { dropped: 'breaker', outs: [{ reason: 'breaker', since: 1 }] }),
  ])
  expect(readCluster(cluster, '')).toEqual(cluster)
  // A rule that this version does not know is shown as a block.
  expect(
    readCluster({ ...cluster, endpoints: [{ ...cluster.endpoints[0], dropped: 'new-rule' }] }, '').endpoints[0]?.dropped,
  ).toBe('blocked')
  const calls = {
    service: 'stock',
    balancer: 'p2c',
    operations: [],
    policies: [],
    settings: { timeoutMs: 5, hedge: false, retry: 'default' },
  }
  expect(readCalls(calls, '')).toEqual(calls)
})

test('a snapshot with any value in any place is read, or refused with SD_MALFORMED', () => {
  const original = JSON.stringify(full)
  const paths = [...original.matchAll(/"(\w+)":/g)].map(([, key]) => key as string)
  fc.assert(
    fc.property(fc.constantFrom(...new Set(paths)), fc.jsonValue(), (key, value) => {
      const damaged = JSON.parse(original, (each, given) => (each === key ? value : given))
      try {
        const read = readSnapshot(damaged, '')
        expect(structuredClone(read)).toEqual(read)
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'SD_MALFORMED' })
      }
    }),
    { numRuns: 500 },
  )
})

test.each(
  Object.entries({
    readSnapshot,
    readCluster,
    readCalls,
    readConfig,
    readLock,
    readLifecycle,
    readHealth,
    readGateway,
  }),
)('%s refuses any other JSON with SD_MALFORMED', (_, read) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(() => read(value, '')).toThrow(expect.objectContaining({ code: 'SD_MALFORMED' }))
    }),
    { numRuns: 50 },
  )
})

test('names and texts are bounded', () => {
  expect(() => name('x'.repeat(256), 'f')).toThrow('f')
  expect(() => name('a\u009bb', 'f')).toThrow('f')
  expect(text('x'.repeat(5_000), 'f')).toHaveLength(2_001)
  expect(text('a\r\n\u001b[1mb\u2028c\ud800', 'f')).toBe('a [1mb c\ufffd')
  expect(list(name, 3)(['a', 5, 'b', 'c', 'd'], 'f')).toEqual(['a', 'b', 'c'])
  expect(
    Object.keys(record(name)(Object.fromEntries(Array.from({ length: 999 }, (_, index) => [`k${index}`, 'v'])), 'f')),
  ).toHaveLength(256)
})
